"""Which tool with which driver runs which set."""

import kinds
import sets
import tools
from row import Row


class Comparison:
    """Stands where a tool stands in other rows."""

    name, driver = "comparison", "-"

    def install(self):
        """Nothing to install."""


def compared(tool, name, check):
    """A row that says something without the proxy, too."""
    return Row(tool, name, check)


def guarded(tool, name, check):
    """A row about what the proxy does: without it, it must fail."""
    return Row(tool, name, check, needs_proxy=True)


def rows(quick):
    yield compared(Comparison(), "self-check", sets.comparison)
    for part in (quick_ones,) if quick else (basic, flyway, psql, golang_migrate, alembic, further):
        yield from part()


def quick_ones():
    yield compared(tools.Alembic("psycopg2"), "regular", sets.regular)
    yield compared(tools.GolangMigrate("pgx5"), "regular", sets.regular)
    yield guarded(tools.Alembic("psycopg2"), "naive-all", sets.naive_all)
    yield guarded(kinds.django.Django("psycopg"), "naive-all", sets.naive_all)


def basic():
    for tool in [kind(driver) for kind in (tools.Alembic, tools.GolangMigrate, tools.Flyway) for driver in kind.drivers]:
        yield compared(tool, "regular", sets.regular)
        yield guarded(tool, "tls", sets.tls)
        if tool.can_go_down:
            yield guarded(tool, "drops", sets.drops)
        yield guarded(tool, "naive-index", sets.naive_index)
        yield compared(tool, "duplicates", sets.duplicates)


def flyway():
    # With its default lock it has a second connection idle in transaction, whose open portal would hold up a concurrent build.
    for lock, suffix in (("session", ""), ("transaction", "-lock")):
        yield guarded(tools.Flyway("pgjdbc", transactional=False, lock=lock), f"index-alone{suffix}", sets.index_alone)
        yield guarded(tools.Flyway("pgjdbc", lock=lock), f"naive-all{suffix}", sets.naive_all)
    tool = tools.Flyway("pgjdbc")
    yield guarded(tool, "by-hand-lock", sets.concurrent_by_hand)
    yield guarded(tool, "refused", sets.refused)
    yield guarded(tool, "fails-late", sets.fails_late)


def psql():
    tool = tools.Psql("libpq")
    yield guarded(tool, "naive-all", sets.naive_all)
    yield guarded(tool, "refused", sets.refused)
    yield guarded(tool, "fails-late", sets.fails_late)
    yield compared(tool, "duplicates", sets.duplicates)


def golang_migrate():
    for driver in tools.GolangMigrate.drivers:
        whole, split = tools.GolangMigrate(driver), tools.GolangMigrate(driver, split=True)
        yield guarded(split, "indexes-split", sets.indexes_split)
        yield guarded(split, "fails-late-begin", sets.fails_late_begin)
        yield guarded(whole, "fails-late-string", sets.fails_late_string)
        yield guarded(whole, "naive-each", sets.naive_each)
        yield guarded(whole, "naive-all", sets.naive_all)
        yield guarded(whole, "refused", sets.refused)


def alembic():
    for driver in tools.Alembic.drivers:
        together, each = tools.Alembic(driver), tools.Alembic(driver, transaction="each")
        yield guarded(together, "naive-all", sets.naive_all)
        yield guarded(together, "refused", sets.refused)
        yield guarded(together, "fails-late", sets.fails_late)
        yield guarded(each, "naive-all-each", sets.naive_all)
        yield compared(each, "regular-each", sets.regular)


def further():
    for tool in [kind(driver) for kind in kinds.ALL for driver in kind.drivers]:
        yield compared(tool, "regular", sets.regular)
        yield guarded(tool, "naive-all", sets.naive_all)
        if tool.sends_whole_files:
            yield guarded(tool, "naive-each", sets.naive_each)
        yield guarded(tool, "refused", sets.refused)
        yield guarded(tool, "fails-late", sets.fails_late)
    yield guarded(kinds.django.Django("psycopg"), "fails-late-deferred", sets.fails_late_deferred)
