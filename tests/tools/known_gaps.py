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


ROW_ALONE = Gap("a late failure is told on a COMMIT, and this version row is written by a statement outside of any transaction", "0002_index... OK")

# By tool/driver/set.
GAPS = {
    "django/psycopg/fails-late-deferred": ROW_ALONE,
}
