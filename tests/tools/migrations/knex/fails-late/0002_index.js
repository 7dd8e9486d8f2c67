exports.up = (knex) => knex.raw("CREATE UNIQUE INDEX orders_buyer_idx ON orders ((customer + 1))");

exports.down = (knex) => knex.raw("DROP INDEX orders_buyer_idx");
