DROP INDEX invoices_account_id_idx;
DROP TABLE invoices;
DROP TABLE accounts;
