ALTER TABLE orders ADD UNIQUE (reference);
