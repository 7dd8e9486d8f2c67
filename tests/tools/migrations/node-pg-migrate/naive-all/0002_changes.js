exports.up = (pgm) => {
  pgm.createIndex("orders", "customer_id", { name: "orders_customer_id_idx" });
  pgm.createIndex("orders", "number", { name: "orders_number_idx", unique: true });
  pgm.addConstraint("orders", "orders_reference_key", { unique: "reference" });
  pgm.addConstraint("orders", "orders_customer_id_fkey", { foreignKeys: { columns: "customer_id", references: "customers(id)" } });
  pgm.addConstraint("orders", "orders_amount_check", { check: "amount >= 0" });
  pgm.alterColumn("orders", "amount", { notNull: true });
  pgm.dropIndex("orders", "note", { name: "orders_note_idx" });
};
