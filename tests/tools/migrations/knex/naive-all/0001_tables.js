exports.up = async (knex) => {
  await knex.schema.createTable("customers", (table) => {
    table.bigIncrements("id");
    table.text("email").notNullable();
  });
  await knex.schema.createTable("orders", (table) => {
    table.bigIncrements("id");
    table.bigInteger("customer_id").notNullable();
    table.bigInteger("number").notNullable();
    table.text("reference");
    table.integer("amount");
    table.text("note").index("orders_note_idx");
  });
};

exports.down = (knex) => knex.schema.dropTable("orders").dropTable("customers");
