class AddIndex < ActiveRecord::Migration[6.1]
  def change
    add_index :orders, "(customer + 1)", unique: true, name: "orders_buyer_idx"
  end
end
