class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table :accounts do |t|
      t.text :email, null: false
      t.datetime :created_at, null: false, default: -> { "now()" }
    end
    create_table :invoices, id: :integer do |t|
      t.bigint :account_id, null: false
      t.decimal :amount, precision: 12, scale: 2, null: false, default: 0
      t.index :account_id, name: "invoices_account_id_idx"
    end
  end
end
