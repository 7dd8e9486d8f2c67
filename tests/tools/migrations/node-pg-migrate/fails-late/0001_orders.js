exports.up = (pgm) => {
  pgm.createTable("orders", {
    id: { type: "bigint", primaryKey: true, sequenceGenerated: { precedence: "BY DEFAULT" } },
    customer: { type: "integer", notNull: true },
    note: { type: "text" },
  });
};
