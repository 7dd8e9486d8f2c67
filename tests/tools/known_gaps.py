"""Rows that do not pass yet: what the product cannot do so far, in this one place.

Such a row must fail, and in the way that is written here. When it passes, or fails otherwise, the run fails: then its line is to go.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Gap:
    why: str
    says: str  # stands in the tool's output today

    def shows_in(self, runs):
        return bool(runs) and self.says in runs[-1].output


ONE_STRING = Gap("the tool sends a file as one string, whose statements are not split yet", "pgairlock [create-index-blocking]")
ROW_ALONE = Gap("a late failure is told on a COMMIT, and this version row is written by a statement outside of any transaction", "0002_index... OK")

# By tool/driver/set.
GAPS = {
    "dbmate/pq/naive-all": ONE_STRING,
    "django/psycopg/fails-late-deferred": ROW_ALONE,
    "golang-migrate/pgx5/naive-all": ONE_STRING,
    "golang-migrate/postgres/naive-all": ONE_STRING,
    "sqlx/sqlx/naive-all": ONE_STRING,
    "tern/pgx/naive-all": ONE_STRING,
}
