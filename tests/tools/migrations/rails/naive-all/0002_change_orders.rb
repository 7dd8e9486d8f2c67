class ChangeOrders < ActiveRecord::Migration[6.1]
  def up
    add_index :orders, :customer_id, name: "orders_customer_id_idx"
    add_index :orders, :number, unique: true, name: "orders_number_idx"
    # Active Record 6.1 has no word for a unique constraint.
    execute "ALTER TABLE orders ADD CONSTRAINT orders_reference_key UNIQUE (reference)"
    add_foreign_key :orders, :customers, name: "orders_customer_id_fkey"
    add_check_constraint :orders, "amount >= 0", name: "orders_amount_check"
    change_column_null :orders, :amount, false
    remove_index :orders, name: "orders_note_idx"
  end
end
