exports.up = (pgm) => {
  pgm.createTable("accounts", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "ALWAYS" } },
    email: { type: "text", notNull: true },
    created_at: { type: "timestamptz", notNull: true, default: pgm.func("now()") },
  });
  pgm.createTable("invoices", {
    id: "id",
    account_id: { type: "bigint", notNull: true },
    amount: { type: "numeric(12, 2)", notNull: true, default: 0 },
  });
  pgm.createIndex("invoices", "account_id");
};
