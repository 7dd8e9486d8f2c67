#!/usr/bin/env python3
"""Which migration the audit log (`pgairlock audit export`) says that each statement belongs to, of the real tools, beside what the tools' own tables say;
and whether the way back that it writes (`pgairlock audit rollback-sql`) leads back.

    python3 tests/tools/attribution.py --pg-version 15             every tool, and whether docs/attribution.md says the same
    python3 tests/tools/attribution.py --pg-version 15 --quick     four tools, compared with their lines there
    python3 tests/tools/attribution.py --pg-version 15 --write     writes the table there

A tool that cannot be had is skipped, with CI=true it is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import command_line
import install
import run

DOCUMENT = install.ROOT / "docs" / "attribution.md"
BEGIN, END = "<!-- attribution: what `make attribution` found -->", "<!-- end of attribution -->"
HEADINGS = ["tool", "driver", "run", "versions, as the log has them", "direction", "their statements", "of no migration"]
QUICK = ("alembic/psycopg2", "golang-migrate/pgx5", "flyway/pgjdbc", "django/psycopg")
# Their migrations are taken back with `rollback-sql`, too.
TAKEN_BACK = ("alembic/psycopg2", "golang-migrate/pgx5", "flyway/pgjdbc", "goose/pgx")
LOG_DEADLINE = 20  # seconds until the store has what the tool has done
PAUSE = 0.2  # seconds between two looks at it
LONGEST = 24  # letters of a version that are shown


class Wrong(Exception):
    """The audit log says something else than the tool."""


def main():
    options = arguments()
    run.unwind_on_signals()
    sys.exit(run.in_environment(lambda: everything(options)))


def arguments():
    parser = command_line.parser_of_rows(__doc__)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def everything(options):
    import server

    directory = tempfile.mkdtemp(prefix="pgairlock-attribution-")
    os.chmod(directory, 0o755)  # the server's user has to reach its data in it
    with server.Lab(options.pg_version, directory, direct_only=False) as lab:
        lines, well = [], True
        for tool in wanted(options):
            found, passed = lines_of(lab, tool, options.quick)
            lines, well = lines + found, well and passed
        well &= run.proxies_end_well(lab)
    return 0 if settle(options, lines) and well else 1


def wanted(options):
    import kinds
    import tools

    every = [tools.Alembic(driver) for driver in tools.Alembic.drivers] + [tools.Alembic("psycopg2", transaction="each")]
    every += [tools.GolangMigrate(driver) for driver in tools.GolangMigrate.drivers] + [tools.GolangMigrate("pgx5", split=True)]
    every += [tools.Flyway("pgjdbc"), tools.Flyway("pgjdbc", lock="session")]
    every += [kind(driver) for kind in kinds.ALL for driver in kind.drivers]
    for tool in every:
        if options.only in path(tool) and (not options.quick or path(tool) in QUICK):
            yield tool


def path(tool):
    """Its name, its driver, and what else is set."""
    more = [
        "each" if getattr(tool, "transaction", None) == "each" else "",
        "multi-statement" if getattr(tool, "split", False) else "",
        "session lock" if getattr(tool, "lock", None) == "session" and tool.name == "flyway" else "",
    ]
    return f"{tool.name}/{', '.join([tool.driver, *filter(None, more)])}"


def lines_of(lab, tool, quick):
    """The lines of the table, and whether all is as the tool says."""
    started = time.monotonic()
    try:
        tool.install()
        lines = regular(lab, tool) + ([] if quick else refused(lab, tool))
        if path(tool) in TAKEN_BACK:
            taken_back(lab, tool)
    except install.Missing as missing:
        print(f"{path(tool):<36} {'FAILED' if install.in_ci() else 'skipped'}: {missing}")
        return [], not install.in_ci()
    except Wrong as wrong:
        print(f"{path(tool):<36} FAILED\n    " + str(wrong).replace("\n", "\n    "))
        return [], False
    print(f"{path(tool):<36} ok {time.monotonic() - started:7.1f} s")
    sys.stdout.flush()
    return lines, True


def regular(lab, tool):
    """All migrations up in one run, and down again where the tool can."""
    import truth

    database = new_database(lab, tool, "proxied")
    do(tool.up(lab.proxied(database), "regular"))
    after_up = truth.applied(lab, tool, database)
    expected = after_up
    if tool.name in truth.HOLDS_ONE_VERSION:
        expected = truth.step_by_step(lab, tool, new_database(lab, tool, "direct"), len(truth.SUBJECTS))
        expect(after_up == expected[-1:], f"the table has {after_up} behind the run through the proxy, and {expected} step by step without it")
    said = audit_log(lab, database)
    check(tool, said, expected, "up")
    lines = [line(tool, "up", said)]
    if tool.can_go_down:
        up, alone = len(said.attributions), len(said.alone)
        do(tool.down(lab.proxied(database), "regular"))
        expect(truth.applied(lab, tool, database) == [], f"down left {truth.applied(lab, tool, database)}")
        said = audit_log(lab, database)
        downs = said.since(up, alone)
        check(tool, downs, list(reversed(expected)), "down")
        lines.append(line(tool, "down", downs))
    return lines


def refused(lab, tool):
    """A migration that is refused: it is told of where the tool has said which one it began, or which one failed."""
    import truth

    database = new_database(lab, tool, "refused")
    do(tool.up(lab.direct(database), "refused", version=1))
    with lab.cluster.connect(database) as connection:
        connection.execute("INSERT INTO orders (customer, note) VALUES (1, 'x')")
    before = truth.applied(lab, tool, database)
    run_ = tool.up(lab.proxied(database), "refused")
    expect(run_.code != 0, "the tool succeeded, it should have been refused")
    said = audit_log(lab, database)
    for each in said.attributions:
        expect(each["unfinished"], f"it is said to be applied: {each}")
        expect(each["version"] not in before, f"it was applied before: {each}")
    return [line(tool, "up, refused", said)]


def taken_back(lab, tool):
    """One migration after the other up, then one after the other back by what `rollback-sql` prints: each time the schema is what it was."""
    import catalog
    import truth

    def schema():
        with lab.cluster.connect(database) as connection:
            return [each for each in catalog.snapshot(connection) if not each.startswith("version ")]

    database = new_database(lab, tool, "taken_back")
    schemas = []
    for number in range(1, len(truth.SUBJECTS) + 1):
        do(tool.up(lab.proxied(database), "regular", version=number))
        schemas.append(schema())
    versions = [each["version"] for each in audit_log(lab, database).attributions]
    expect(len(versions) == len(schemas), f"{len(schemas)} migrations, and the log has {versions}")
    for number in range(len(versions) - 1, 0, -1):
        script = pgairlock(lab, "rollback-sql", versions[number], "--database", database)
        feed(lab, database, script)
        left = catalog.difference(schemas[number - 1], schema(), "before", "behind the way back")
        expect(not left, f"the way back from {versions[number]} does not lead back:\n{script}\n" + "\n".join(left))


def feed(lab, database, script):
    import tools

    if shutil.which("psql") is None:
        raise install.Missing("no psql")
    command = ["psql", tools.Endpoint(lab.cluster.port, database).url("postgres"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"]
    psql = subprocess.run(command, env=tools.clean_environment(), input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    expect(psql.returncode == 0, f"psql: {psql.stdout}\n{script}")


def new_database(lab, tool, suffix):
    return lab.cluster.create_database(re.sub(r"\W+", "_", f"attribution_{path(tool)}_{suffix}"))


def do(run_):
    expect(run_.code == 0, run_.full())


def expect(condition, otherwise):
    if not condition:
        raise Wrong(otherwise)


class Said:
    """What the audit log has of a database: attributions with their statements, and statements that belong to none."""

    def __init__(self, attributions, alone):
        self.attributions = attributions
        self.alone = alone

    def since(self, count, alone):
        """Without the first attributions, and without the first statements that belong to none."""
        return Said(self.attributions[count:], self.alone[alone:])


def audit_log(lab, database):
    """From an export of the store, once nothing more comes."""
    deadline, before = time.monotonic() + LOG_DEADLINE, None
    while True:
        lines = [line for line in exported(lab) if line["database"] == database]
        open_ = [line for line in lines if line["state"] in ("running", "uncommitted")]
        if lines == before and not open_ and all_sessions_ended(lab, database):
            return said(lines)
        expect(time.monotonic() < deadline, f"the log does not come to rest: {open_}")
        before = lines
        time.sleep(PAUSE)


def exported(lab):
    return [json.loads(line) for line in pgairlock(lab, "export", "--format", "jsonl").splitlines()]


def pgairlock(lab, *arguments):
    """What a command of `pgairlock audit` prints of the proxy's store, beside the proxy."""
    import server
    import tools

    command = [server.proxy_program(), "audit", *arguments, "--store", lab.proxy("default").store]
    process = subprocess.run(command, env=tools.clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    expect(process.returncode == 0, f"{' '.join(map(str, command))}: {process.returncode}\n{process.stdout}{process.stderr}")
    return process.stdout


def all_sessions_ended(lab, database):
    """One that is open may still have something to say."""
    text = (lab.proxy("default").directory / "log").read_text(errors="replace")
    events = [json.loads(each) for each in text.splitlines() if each.startswith("{") and each.endswith("}")]
    opened = {event["session"] for event in events if event["event"] == "session_opened" and event["database"] == database}
    return opened <= {event["session"] for event in events if event["event"] == "session_closed"}


# What tells one attribution from another, and the field of an export that has it.
FIELDS = {"tool": "tool", "version": "migration", "name": "migration_name", "direction": "direction", "unfinished": "unfinished"}


def said(lines):
    attributions, alone = {}, []
    for line in lines:
        if line["migration"] is None:
            alone.append(line["sql"])
            continue
        whose = {name: line[field] for name, field in FIELDS.items()}
        attributions.setdefault(tuple(whose.values()), {**whose, "sql": []})["sql"].append(line["sql"])
    return Said(list(attributions.values()), alone)


def check(tool, said, expected, direction):
    """The versions are those of the tool, each in the direction that it was asked to go, and each with the statements of its own migration."""
    import truth

    versions = [each["version"] for each in said.attributions]
    expect(versions == expected, f"{direction}: the log has the versions {versions}, the tool has {expected}")
    names = [each["tool"] for each in said.attributions]
    expect(set(names) == {tool.name}, f"the log says that the tool is {names}")
    directions = [each["direction"] for each in said.attributions]
    expect(set(directions) == {direction}, f"{direction}: the log has {directions}")
    expect(not any(each["unfinished"] for each in said.attributions), f"{direction}: something is said to be unfinished")
    subjects = truth.SUBJECTS[: len(expected)]
    for each, subject in zip(said.attributions, subjects if direction == "up" else reversed(subjects)):
        statements = each["sql"]
        expect(statements, f"{direction}: no statement belongs to {each['version']}")
        foreign = [sql for sql in statements if not re.search(subject, sql)]
        expect(not foreign, f"{direction}: these do not belong to {each['version']}:\n" + "\n".join(foreign))
    foreign = [sql for sql in said.alone if not truth.OWN_TABLES.search(sql)]
    expect(not foreign, f"{direction}: these should belong to a migration:\n" + "\n".join(foreign))


def line(tool, asked, said):
    versions = [cut(each["version"]) + (f" ({cut(each['name'])})" if each.get("name") else "") for each in said.attributions]
    directions = dict.fromkeys(each["direction"] + (", unfinished" if each["unfinished"] else "") for each in said.attributions)
    statements = [str(len(each["sql"])) for each in said.attributions]
    cells = [", ".join(each) or "none" for each in (versions, directions, statements)]
    return [tool.name, driver(tool), asked, *cells, str(len(said.alone))]


def driver(tool):
    return path(tool).partition("/")[2]


def cut(text):
    return text if len(text) <= LONGEST else text[: LONGEST // 2] + "…"


def settle(options, lines):
    """Compares with the table of the document, or writes it."""
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN + "\n")
    table, after = rest.split(END)
    found = [row(HEADINGS), row(["---"] * len(HEADINGS)), *(row(each) for each in lines)]
    if options.write:
        DOCUMENT.write_text(before + BEGIN + "\n" + "\n".join(found) + "\n" + END + after)
        return True
    partly = options.quick or options.only
    missing = [each for each in found if each not in table.splitlines()]
    gone = [] if partly else [each for each in table.splitlines() if each not in found]
    for each in missing:
        print(f"{DOCUMENT.name} does not have: {each}")
    for each in gone:
        print(f"{DOCUMENT.name} has, and it is not so: {each}")
    return not (missing or gone)


def row(cells):
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
