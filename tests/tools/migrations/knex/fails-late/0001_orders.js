exports.up = (knex) =>
  knex.schema.createTable("orders", (table) => {
    table.bigIncrements("id");
    table.integer("customer").notNullable();
    table.text("note");
  });

exports.down = (knex) => knex.schema.dropTable("orders");
