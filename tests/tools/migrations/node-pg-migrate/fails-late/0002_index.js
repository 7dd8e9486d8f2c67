exports.up = (pgm) => pgm.sql("CREATE UNIQUE INDEX orders_buyer_idx ON orders ((customer + 1))");
