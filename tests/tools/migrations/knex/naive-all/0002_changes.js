exports.up = (knex) =>
  knex.schema.alterTable("orders", (table) => {
    table.index("customer_id", "orders_customer_id_idx");
    table.unique("number", { indexName: "orders_number_idx", useConstraint: false });
    table.unique("reference", { indexName: "orders_reference_key" });
    table.foreign("customer_id").references("customers.id");
    table.check("amount >= 0", [], "orders_amount_check");
    table.dropNullable("amount");
    table.dropIndex("note", "orders_note_idx");
  });

exports.down = () => {
  throw new Error("there is no way back");
};
