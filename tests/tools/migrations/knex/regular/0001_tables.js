exports.up = async (knex) => {
  await knex.schema.createTable("accounts", (table) => {
    table.bigIncrements("id");
    table.text("email").notNullable();
    table.timestamp("created_at").notNullable().defaultTo(knex.fn.now());
  });
  await knex.schema.createTable("invoices", (table) => {
    table.increments("id");
    table.bigInteger("account_id").notNullable().index("invoices_account_id_idx");
    table.decimal("amount", 12, 2).notNullable().defaultTo(0);
  });
};

exports.down = (knex) => knex.schema.dropTable("invoices").dropTable("accounts");
