exports.up = (knex) => knex.schema.alterTable("orders", (table) => table.renameColumn("note", "remark"));

exports.down = (knex) => knex.schema.alterTable("orders", (table) => table.renameColumn("remark", "note"));
