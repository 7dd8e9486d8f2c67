CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE invoices (
    id serial PRIMARY KEY,
    account_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL DEFAULT 0
);

CREATE INDEX invoices_account_id_idx ON invoices (account_id);
