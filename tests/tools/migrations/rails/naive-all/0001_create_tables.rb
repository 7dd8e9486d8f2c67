class CreateTables < ActiveRecord::Migration[6.1]
  def change
    create_table :customers do |t|
      t.text :email, null: false
    end
    create_table :orders do |t|
      t.bigint :customer_id, null: false
      t.bigint :number, null: false
      t.text :reference
      t.integer :amount
      t.text :note
      t.index :note, name: "orders_note_idx"
    end
  end
end
