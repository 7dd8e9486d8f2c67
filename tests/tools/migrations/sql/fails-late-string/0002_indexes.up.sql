CREATE INDEX orders_note_idx ON orders (note);
CREATE UNIQUE INDEX orders_buyer_idx ON orders ((customer + 1));
