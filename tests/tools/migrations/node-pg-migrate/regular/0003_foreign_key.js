exports.up = (pgm) => {
  pgm.sql("ALTER TABLE invoices ADD CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID");
};

exports.down = (pgm) => pgm.dropConstraint("invoices", "invoices_account_id_fkey");
