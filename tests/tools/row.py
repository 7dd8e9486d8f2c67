"""One row of the table: a tool with a driver on a set of migrations."""

import sys
import time

import psycopg

import connection
import install
import known_gaps
import sets

LINE = "{:<15} {:<9} {:<19} {:<10} {:>7}"
HEADINGS = LINE.format("tool", "driver", "set", "result", "seconds")


class Row:

    def __init__(self, tool, name, check, needs_proxy=False):
        self.tool = tool
        self.name = name
        self.check = check
        self.needs_proxy = needs_proxy
        self.path = f"{tool.name}/{tool.driver}/{name}"

    def run(self, lab):
        """Prints the line, and on failure what is different; answers whether all is well."""
        started = time.monotonic()
        case = sets.Case(lab, self.tool, self.name)
        gap = None if lab.direct_only else known_gaps.GAPS.get(self.path)
        must_differ = lab.direct_only and self.needs_proxy
        try:
            self.tool.install()
            started = time.monotonic()
            self.check(case)
        except install.Missing as missing:
            self._print("FAILED" if install.in_ci() else "skipped", started, f"skipped: {missing}")
            return not install.in_ci()
        except (sets.Difference, connection.NotAsExpected, psycopg.Error) as difference:
            if must_differ and isinstance(difference, sets.NoProxy):
                self._print("differs", started, f"as it must without the proxy: {difference}")
                return True
            if gap and gap.shows_in(case.runs):
                self._print("known gap", started, gap.why)
                return True
            earlier = [run.summary() for run in case.runs[:-1]]
            last = [run.full() for run in case.runs[-1:]]
            self._print("FAILED", started, difference, *earlier, *last, *lab.logs())
            return False
        wrong = ["passed without the proxy"] if must_differ else ["is mended: take it out of known_gaps.py"] if gap else []
        self._print("FAILED" if wrong else "ok", started, *(wrong or case.compared))
        return not wrong

    def _print(self, result, started, *details):
        print(LINE.format(self.tool.name, self.tool.driver, self.name, result, f"{time.monotonic() - started:.1f}"))
        for detail in details:
            print("    " + str(detail).replace("\n", "\n    "))
        sys.stdout.flush()
