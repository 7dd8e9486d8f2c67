CREATE INDEX orders_customer_idx ON orders (customer);

CREATE INDEX orders_note_idx ON orders (note);
