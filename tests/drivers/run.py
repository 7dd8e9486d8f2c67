#!/usr/bin/env python3
"""The driver matrix: every driver, plain and over TLS, does what drivers do, through the proxy.

    python3 tests/drivers/run.py [--pg-version 15] [--only DRIVER] [--quick] [--direct-only]

Exit status: 0 every cell is ok or n/a · 1 a cell failed or is blank.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from runner import certificates, installs, matrix, programs, servers


def arguments():
    names = [driver.name for driver in programs.DRIVERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pg-version", default="15", help="major version of the server (default: 15)")
    parser.add_argument("--only", action="append", choices=names, metavar="DRIVER", help="one of: " + ", ".join(names))
    parser.add_argument("--quick", action="store_true", help="psql, psycopg3 and pgx only")
    parser.add_argument("--direct-only", action="store_true", help="straight to the server, without the proxy")
    return parser.parse_args()


def chosen(options):
    return [driver for driver in programs.DRIVERS
            if (not options.quick or driver.quick) and (not options.only or driver.name in options.only)]


def main():
    options = arguments()
    # An end by SIGTERM cleans up as well: the server and the proxy must not outlive this program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    drivers = chosen(options)
    if not drivers:
        raise SystemExit("--quick and --only leave no driver")
    with tempfile.TemporaryDirectory(prefix="pgairlock-drivers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as another user
        outcomes, complaints = run_all(drivers, options, folder)
    return report(outcomes, complaints, options)


def run_all(drivers, options, folder):
    """({(driver, leg): outcome}, what is wrong with the proxy)"""
    certificates.make(folder)
    installed = {driver.name: installation(driver) for driver in drivers}
    cluster = servers.Cluster(folder, options.pg_version)
    try:
        if options.direct_only:
            cluster.serve_tls(folder)
            return run_matrix(drivers, installed, cluster, cluster.port, folder, lock_timeout=""), []
        proxy = servers.Proxy(folder, cluster, folder)
        try:
            outcomes = run_matrix(drivers, installed, cluster, proxy.port, folder, servers.LOCK_TIMEOUT)
        finally:
            complaints = proxy.complaints()
        if complaints:
            complaints.append(f"its log ends:\n{proxy.tail()}")
        return outcomes, complaints
    finally:
        cluster.drop()


def installation(driver):
    """None when the driver can run, a text when its tool is missing, an outcome when installing failed."""
    print(f"installing {driver.name}", file=sys.stderr, flush=True)
    try:
        driver.install()
    except installs.ToolMissing as missing:
        # Locally a missing tool is said; in CI everything must run.
        if os.environ.get("CI") == "true":
            return programs.Outcome(problems=[str(missing)])
        return str(missing)
    except installs.InstallFailed as failure:
        return programs.Outcome(problems=["installing it failed"], output=str(failure))
    return None


def run_matrix(drivers, installed, cluster, port, folder, lock_timeout):
    outcomes = {}
    for driver in drivers:
        for leg in matrix.LEGS:
            outcome = installed[driver.name]
            if outcome is None:
                print(f"running {driver.name}, {leg}", file=sys.stderr, flush=True)
                outcome = run_one(driver, cluster, environment(leg, port, folder, lock_timeout))
            outcomes[driver.name, leg] = outcome
    return outcomes


def environment(leg, port, folder, lock_timeout):
    settings = {
        "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": servers.ROLE, "PGPASSWORD": servers.PASSWORD,
        "PGDATABASE": servers.DATABASE, "PGSSLMODE": "disable", "DRIVERS_LOCK_TIMEOUT": lock_timeout,
    }
    if leg == "tls":
        settings |= {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(folder / "ca.crt"),
                     "DRIVERS_OTHER_CA": str(folder / "other.crt")}
    return settings


def run_one(driver, cluster, settings):
    offset = cluster.log_size()
    outcome = programs.run(driver, settings)
    if outcome.results.get("cancel", {}).get("ok"):
        # Not every driver shows the SQLSTATE of a cancelled query; the server's log always does.
        if "57014 ERROR:  canceling statement due to user request" not in cluster.log_since(offset):
            outcome.results["cancel"] = {"ok": False, "note": "the server's log knows of no cancelled statement (57014)"}
    return outcome


def report(outcomes, complaints, options):
    print(f"PostgreSQL {options.pg_version}, " + ("direct, without the proxy" if options.direct_only else "through pgairlock"))
    print(matrix.table(outcomes))
    for note in matrix.notes(outcomes):
        print(f"  {note}")
    failed = matrix.failures(outcomes)
    for block in failed:
        print(f"\n{block}")
    for complaint in complaints:
        print(f"\n{complaint}")
    return 1 if failed or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
