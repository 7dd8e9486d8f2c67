exports.up = (pgm) => {
  pgm.createTable("customers", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "BY DEFAULT" } },
    email: { type: "text", notNull: true },
  });
  pgm.createTable("orders", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "BY DEFAULT" } },
    customer_id: { type: "bigint", notNull: true },
    number: { type: "bigint", notNull: true },
    reference: { type: "text" },
    amount: { type: "integer" },
    note: { type: "text" },
  });
  pgm.createIndex("orders", "note", { name: "orders_note_idx" });
};
