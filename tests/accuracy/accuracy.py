#!/usr/bin/env python3
"""How often `pgairlock check` is right about what a statement would do, with and without a database, beside other tools.

    python3 tests/accuracy/accuracy.py                               every version, with and without a database
    python3 tests/accuracy/accuracy.py --pg-versions 15 --no-peers   one version, pgairlock alone
    python3 tests/accuracy/accuracy.py --squawk FILE --pgsafe FILE   where the other tools are

The statements, and what each really did on each version (locks, rewrite, scan), are in forms.tsv, measured on the tables of fixture.sql. A statement
is a hazard when it rewrote, read or rebuilt something under a lock of SHARE or stronger on a table; where it failed it is left out. It is flagged when
`check` finds work under such a lock, or when another tool names one of its rules about such work (PEERS). With a database there may be no false
negative and at most three false positives; without one, pgairlock must have fewer of both than either other tool.
"""

import argparse
import csv
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import install  # noqa: E402 - the tools' harness has the servers
import run  # noqa: E402

HERE = pathlib.Path(__file__).parent
# From weak to strong.
LOCKS = "AccessShare RowShare RowExclusive ShareUpdateExclusive Share ShareRowExclusive Exclusive AccessExclusive".split()
STRONG = LOCKS.index("Share")
MOST_FALSE_POSITIVES = 3
# What a statement needs besides the fixture: it was there when the statement was measured.
SETUP = {
    "validate_notnull": "ALTER TABLE t ADD CONSTRAINT nul_nn NOT NULL nul NOT VALID",
    "set_not_null_on_nv": "ALTER TABLE t ADD CONSTRAINT nul_nn NOT NULL nul NOT VALID",
    "add_pk_using_index_nn": "CREATE UNIQUE INDEX plainid_ui ON plainid (id)",
    "add_pk_using_index_nullable": "CREATE TABLE selfr2 AS SELECT * FROM selfr; CREATE UNIQUE INDEX selfr2_ui ON selfr2 (id)",
    "add_pk_using_index_nullable_with_check": "CREATE TABLE selfr2 AS SELECT * FROM selfr; CREATE UNIQUE INDEX selfr2_ui ON selfr2 (id); "
    "ALTER TABLE selfr2 ADD CONSTRAINT selfr2_id CHECK (id IS NOT NULL)",
    "attach_index": "CREATE INDEX part_kx ON ONLY part (k); CREATE INDEX part_1_kx ON part_1 (k)",
    "index_set_statistics": "CREATE INDEX t_exprx ON t ((i4 + 1))",
    "set_logged": "CREATE UNLOGGED TABLE ul AS SELECT * FROM plainid",
    "no_inherit": "ALTER TABLE inh_c INHERIT inh_p",
    "alter_domain_validate": "ALTER DOMAIN dused ADD CONSTRAINT dcnv CHECK (VALUE > 0) NOT VALID",
    "validate_check_partitioned": "ALTER TABLE part ADD CONSTRAINT pk0 CHECK (k >= 0) NOT VALID",
    "validate_fk_partitioned": "ALTER TABLE part ADD CONSTRAINT pfk0 FOREIGN KEY (refp) REFERENCES p NOT VALID",
    "attach_partition_with_default_ck": "ALTER TABLE partd_def ADD CONSTRAINT apart CHECK (id IS NOT NULL AND (id < 200000 OR id >= 300000))",
}
# The session's TimeZone where a statement was measured with one.
TIME_ZONES = {"type_ts_to_tz_nonutc": "Europe/Berlin"}
# Rules of other tools that say that something is read, written or built while others wait. Those about compatibility, style and timeouts are not.
PEERS = {
    "squawk": {
        "adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field",
        "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint", "changing-column-type", "constraint-missing-not-valid",
        "disallowed-unique-constraint", "require-concurrent-index-creation", "require-concurrent-index-deletion",
        "require-concurrent-partition-detach", "require-concurrent-reindex",
    },
    "pgsafe": {
        "add-check-without-not-valid", "add-column-generated-stored", "add-column-identity", "add-column-serial", "add-column-volatile-default",
        "add-domain-constraint-without-not-valid", "add-domain-not-null", "add-exclusion-constraint", "add-fk-without-not-valid",
        "add-index-non-concurrent", "add-primary-key-without-index", "add-unique-constraint", "alter-column-type", "attach-partition",
        "detach-partition-non-concurrent", "drop-index-non-concurrent", "refresh-matview-non-concurrent", "reindex-non-concurrent",
        "set-access-method", "set-logged-unlogged", "set-not-null", "truncate", "vacuum-full-cluster",
    },
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Form:
    """One statement on one version."""

    name: str
    sql: str
    hazard: bool


def main():
    options = arguments()
    run.unwind_on_signals()
    sys.exit(run.in_environment(lambda: measure(options)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pg-versions", default="13 15 17 18", help="of those that were measured")
    parser.add_argument("--no-peers", action="store_true", help="pgairlock alone")
    parser.add_argument("--squawk", default="squawk", help="its program")
    parser.add_argument("--pgsafe", default="pgsafe", help="its program")
    return parser.parse_args()


def measure(options):
    failed = False
    print(f"{'PostgreSQL':<11} {'judged by':<24} {'true pos.':>9} {'false pos.':>10} {'false neg.':>10} {'true neg.':>9}")
    for version in options.pg_versions.split():
        forms = read_forms(version)
        with_database = flagged_with_database(version, forms)
        without = flagged_by_check([], forms, ["--pg-version", version])
        peers = {} if options.no_peers else {name: flagged_by_peer(name, forms, version, options) for name in PEERS}
        verdicts = {"pgairlock, database": with_database, "pgairlock, no database": without, **peers}
        scores = {by: score(forms, flagged) for by, flagged in verdicts.items()}
        for by, (tp, fp, fn, tn) in scores.items():
            print(f"{version:<11} {by:<24} {len(tp):>9} {len(fp):>10} {len(fn):>10} {len(tn):>9}", flush=True)
        for by in ("pgairlock, database", "pgairlock, no database"):
            print_names(by, scores[by])
        failed |= not is_good_enough(scores, peers)
    return 1 if failed else 0


def is_good_enough(scores, peers):
    _, false_positives, false_negatives, _ = scores["pgairlock, database"]
    good = not false_negatives and len(false_positives) <= MOST_FALSE_POSITIVES
    _, fp, fn, _ = scores["pgairlock, no database"]
    return good and all(len(fp) < len(scores[peer][1]) and len(fn) < len(scores[peer][2]) for peer in peers)


def print_names(by, scores):
    for what, forms in (("false positives", scores[1]), ("false negatives", scores[2])):
        if forms:
            print(f"  {by}, {what}: {', '.join(forms)}")


def read_forms(version):
    with open(HERE / "forms.tsv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["pg_version"] == version]
    if not rows:
        raise SystemExit(f"no statement of forms.tsv was measured on PostgreSQL {version}")
    return [Form(row["form_id"], row["sql"].replace('\\"', '"'), is_hazard(row)) for row in rows if "ERROR" not in row["note"]]


def is_hazard(row):
    works = row["rewrite"].startswith("yes") or row["scan"].startswith("yes") or row["index_rebuild"].startswith("rebuild:")
    others = [part.rsplit(":", 1)[-1] for part in row["other_locks"].split(", ") if "(idx)" not in part]
    return works and any(lock in LOCKS and LOCKS.index(lock) >= STRONG for lock in [row["target_lock"], *others])


def score(forms, flagged):
    """True positives, false positives, false negatives, true negatives, by name."""
    pick = lambda hazard, flag: [form.name for form in forms if form.hazard == hazard and (form.name in flagged) == flag]  # noqa: E731
    return pick(True, True), pick(False, True), pick(True, False), pick(False, False)


def flagged_with_database(version, forms):
    # With its packages in place only.
    import server

    with tempfile.TemporaryDirectory(prefix="pgairlock-accuracy-") as directory:
        cluster = server.Cluster(version, f"{directory}/cluster", settings=("fsync=off", "timezone=UTC"))
        pathlib.Path(directory).chmod(0o755)
        try:
            cluster.start()
            cluster.create_database("forms")
            with cluster.connect("forms") as connection:
                for statement in (HERE / "fixture.sql").read_text(encoding="utf-8").split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
            alone = [form for form in forms if form.name in SETUP or form.name in TIME_ZONES]
            flagged = flagged_by_check(database(cluster, "forms"), [form for form in forms if form not in alone])
            for form in alone:
                flagged |= flagged_alone(cluster, form)
            return flagged
        finally:
            cluster.drop()


def flagged_alone(cluster, form):
    """In a database of its own, with what it needs."""
    name = cluster.create_database("alone", template="forms")
    with cluster.connect(name) as connection:
        connection.execute(SETUP.get(form.name, "SELECT 1"))
    flagged = flagged_by_check(database(cluster, name, TIME_ZONES.get(form.name)), [form])
    cluster.drop_database(name)
    return flagged


def database(cluster, name, time_zone=None):
    import tools

    options = f"?options=-cTimeZone%3D{time_zone}" if time_zone else ""
    return ["--database-url", f"postgres://{tools.USER}:{tools.PASSWORD}@127.0.0.1:{cluster.port}/{name}{options}"]


def flagged_by_check(where, forms, more=()):
    binary = os.environ.get("PGAIRLOCK_BIN", "pgairlock")
    with files(forms) as directory:
        command = [binary, "check", "--format", "json", "--fail-on", "never", "--transaction", "no", "--direction", "both", *where, *more]
        document = json.loads(output(command, directory, forms))
    flagged = set()
    for file in document["files"]:
        if file["problems"]:
            raise SystemExit(f"{file['path']}: {file['problems']}")
        findings = [finding for statement in file["statements"] for finding in statement["findings"]]
        if any(finding["work"] != "none" and finding["lock"] and LOCKS.index(finding["lock"]) >= STRONG for finding in findings):
            flagged.add(file["path"].removesuffix(".sql"))
    return flagged


def flagged_by_peer(name, forms, version, options):
    with files(forms) as directory:
        if name == "squawk":
            text = output([options.squawk, "--reporter", "Json", "--pg-version", version], directory, forms)
            found = [(finding["file"], finding["rule_name"]) for finding in json.loads(text)]
        else:
            text = output([options.pgsafe, "--format", "json", "--fail-on", "never"], directory, forms)
            found = [(file["file"], finding["rule_id"]) for file in json.loads(text)["files"] for finding in file["findings"]]
    return {file.removesuffix(".sql") for file, rule in found if rule in PEERS[name]}


def files(forms):
    directory = tempfile.TemporaryDirectory(prefix="pgairlock-forms-")
    for form in forms:
        pathlib.Path(directory.name, f"{form.name}.sql").write_text(f"{form.sql};\n", encoding="utf-8")
    return directory


def output(command, directory, forms):
    try:
        done = subprocess.run([*command, *(f"{form.name}.sql" for form in forms)], cwd=directory, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise install.Missing(f"no {command[0]}") from None
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
