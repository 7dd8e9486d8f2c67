BEGIN;
CREATE UNIQUE INDEX orders_buyer_idx ON orders ((customer + 1));
COMMIT;
