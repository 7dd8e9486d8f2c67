class AddForeignKey < ActiveRecord::Migration[6.1]
  def change
    add_foreign_key :invoices, :accounts, name: "invoices_account_id_fkey", validate: false
  end
end
