-- From 18 on both have names, which may be shortened to the same.
-- schema
CREATE TABLE users (id int PRIMARY KEY, a_column_whose_name_takes_all_of_the_sixty_three_bytes_that_arf int, b int);
INSERT INTO users SELECT i, i, i FROM generate_series(1, 9) AS i;
-- migration
ALTER TABLE users ADD COLUMN c int DEFAULT 1 NOT NULL, ALTER b SET NOT NULL;
ALTER TABLE users ADD COLUMN a_column_whose_name_takes_all_of_the_sixty_three_bytes_that_are int DEFAULT 1 NOT NULL, ALTER a_column_whose_name_takes_all_of_the_sixty_three_bytes_that_arf SET NOT NULL;
