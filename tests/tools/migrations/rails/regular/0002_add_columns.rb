class AddColumns < ActiveRecord::Migration[6.1]
  def change
    add_column :accounts, :nickname, :text
    add_column :accounts, :plan, :text, null: false, default: "free"
  end
end
