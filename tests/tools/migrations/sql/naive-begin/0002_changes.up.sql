BEGIN;
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE UNIQUE INDEX orders_number_idx ON orders (number);
ALTER TABLE orders ADD UNIQUE (reference);
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount >= 0);
ALTER TABLE orders ALTER COLUMN amount SET NOT NULL;
DROP INDEX orders_note_idx;
COMMIT;
