exports.up = (knex) =>
  knex.schema.alterTable("accounts", (table) => {
    table.text("nickname");
    table.text("plan").notNullable().defaultTo("free");
  });

exports.down = (knex) => knex.schema.alterTable("accounts", (table) => table.dropColumns("plan", "nickname"));
