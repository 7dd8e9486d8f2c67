ALTER TABLE accounts ADD COLUMN nickname text;
ALTER TABLE accounts ADD COLUMN plan text NOT NULL DEFAULT 'free';
