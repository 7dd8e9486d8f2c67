ALTER TABLE accounts DROP COLUMN plan;
ALTER TABLE accounts DROP COLUMN nickname;
