exports.up = (knex) =>
  knex.raw("ALTER TABLE invoices ADD CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID");

exports.down = (knex) => knex.schema.alterTable("invoices", (table) => table.dropForeign("account_id", "invoices_account_id_fkey"));
