CREATE UNIQUE INDEX orders_number_idx ON orders (number);
