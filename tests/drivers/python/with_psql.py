"""psql: the seven tests. Each is a script that a real psql reads; DRIVERS_PSQL names another psql than the one on PATH."""

import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import termios
import time

import suite
from suite import check, equal

PSQL = os.environ.get("DRIVERS_PSQL", "psql")


def psql_version():
    return int(re.search(r"\) (\d+)", subprocess.check_output([PSQL, "--version"], text=True))[1])


def start(*arguments, **changes):
    return subprocess.Popen([PSQL, "-X", "-q", "-A", "-t", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env={**os.environ, **changes})


def script(text, *arguments, **changes):
    """What psql printed: (lines on stdout, stderr, exit status)."""
    process = start(*arguments, **changes)
    out, err = process.communicate(text, timeout=60)
    return out.splitlines(), err, process.returncode


def lines(text, *arguments):
    out, err, status = script(text, *arguments)
    check(status == 0 and not err, f"psql ended with {status}: {err}")
    return out


def connect():
    out = lines("SELECT current_user;\nSHOW lock_timeout;\n\\conninfo\n")
    equal(out[0], os.environ["PGUSER"], "current_user")
    suite.check_lock_timeout(out[1])
    # Up to 17 a sentence, from 18 a table.
    tls = re.search(r"SSL connection \(protocol: TLS|SSL Protocol\|TLS", "\n".join(out)) is not None
    equal(tls, suite.over_tls(), "SSL connection by \\conninfo")
    refused("password authentication failed", PGPASSWORD="not the password")
    if suite.over_tls():
        refused("certificate verify failed", PGSSLROOTCERT=suite.other_authority())


def refused(complaint, **changes):
    out, err, status = script("SELECT 1;\n", **changes)
    check(status == 2 and complaint in err, f"expected {complaint!r}, got status {status}: {out} {err}")


def simple():
    # \; keeps the statements in one Query; psql before 15 would show the last result only.
    out, err, status = script(
        "SELECT 1\\; SELECT 'two'\\; SELECT 3;\nSELECT 1/0;\n\\echo :SQLSTATE\n"
        "SELECT * FROM no_such_table;\n\\echo :SQLSTATE\nSELECT 'good again';\n")
    equal((out, status), (["1", "two", "3", "22012", "42P01", "good again"], 0), f"output; stderr: {err}")
    transaction()


def transaction():
    out, err, _ = script(
        "BEGIN;\nCREATE TEMP TABLE moves (n int);\nINSERT INTO moves VALUES (1);\nSAVEPOINT before_error;\n"
        "INSERT INTO moves VALUES (1/0);\nSELECT 1;\n\\echo :SQLSTATE\nROLLBACK TO before_error;\n"
        "INSERT INTO moves VALUES (2);\nCOMMIT;\nBEGIN;\nINSERT INTO moves VALUES (3);\nROLLBACK;\n"
        "SELECT sum(n) FROM moves;\n")
    equal(out, ["25P02", "3"], f"output of the transaction; stderr: {err}")


def parameterized():
    data = suite.random_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "hex")
        with open(path, "w") as file:
            file.write(data.hex())
        out = lines(
            "SELECT :'a'::int + :'b'::int;\nSELECT :'text', octet_length(:'text');\n"
            f"\\set hex `cat {path}`\nSELECT encode(v, 'hex'), md5(v) FROM (SELECT decode(:'hex', 'hex') AS v) AS given;\n",
            "-v", "a=-40", "-v", "b=82", "-v", f"text={suite.TEXT}")
    equal(out[:2], ["42", f"{suite.TEXT}|{len(suite.TEXT.encode())}"], "ints and text")
    check("".join(out[2].split("\n")) == f"{data.hex()}|{suite.md5(data)}", "bytea differs")
    if psql_version() < 16:
        return "psql's own variables, put into the SQL text; \\bind exists from psql 16"
    bound_on_the_server(data)


def bound_on_the_server(data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "hex")
        with open(path, "w") as file:
            file.write("\\x" + data.hex())
        out = lines(
            "SELECT $1::int + $2::int \\bind -40 82 \\g\nSELECT $1, octet_length($1::text) \\bind :text \\g\n"
            f"\\set hex `cat {path}`\nSELECT md5($1::bytea) \\bind :hex \\g\n", "-v", f"text={suite.TEXT}")
    equal(out, ["42", f"{suite.TEXT}|{len(suite.TEXT.encode())}", suite.md5(data)], "\\bind")


def prepared():
    executions = "".join(f"EXECUTE add_thousand ({n});\n" for n in range(suite.EXECUTIONS))
    out = lines(f"PREPARE add_thousand (int) AS {suite.PREPARED_PREFIX}$1;\n{executions}"
                "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE name = 'add_thousand';\n")
    equal(out, [str(1000 + n) for n in range(suite.EXECUTIONS)] + ["1"], "results and named statements")
    return "SQL PREPARE and EXECUTE"


def pipelined():
    if psql_version() < 18:
        raise suite.NotPossible(f"\\startpipeline exists from psql 18; this is psql {psql_version()}")
    good = "".join(f"SELECT $1::int * 2 \\bind {n} \\sendpipeline\n" for n in range(50))
    out, err, _ = script(
        "CREATE TEMP TABLE pipe (n int);\n"
        f"\\startpipeline\n{good}\\endpipeline\n"
        "\\startpipeline\nINSERT INTO pipe VALUES ($1) \\bind 1 \\sendpipeline\n"
        "INSERT INTO pipe VALUES (1 / $1::int) \\bind 0 \\sendpipeline\n"
        "INSERT INTO pipe VALUES ($1) \\bind 2 \\sendpipeline\n\\endpipeline\n"
        "SELECT count(*) FROM pipe;\n")
    equal(out, [str(n * 2) for n in range(50)] + ["0"], f"results; stderr: {err}")
    check("division by zero" in err, f"the error in the pipeline was not reported: {err}")


def copy():
    with tempfile.TemporaryDirectory() as folder:
        given, back = os.path.join(folder, "given"), os.path.join(folder, "back")
        with open(given, "w", encoding="utf-8") as file:
            file.writelines(suite.copy_lines())
        out, err, _ = script(
            f"CREATE TEMP TABLE items (id int, label text);\n\\copy items FROM '{given}'\n"
            f"\\copy (SELECT * FROM items ORDER BY id) TO '{back}'\n"
            "\\set VERBOSITY sqlstate\nCOPY items FROM STDIN;\n1\tgood\nnot a number\tbad\n\\.\nSELECT count(*) FROM items;\n")
        # psql does not put the error of a COPY into its SQLSTATE variable.
        equal((out, err), ([str(suite.ROWS)], "ERROR:  22P02\n"), "output and errors")
        with open(back, encoding="utf-8") as file:
            check(file.readlines() == suite.copy_lines(), "the rows copied out differ")


class Terminal:
    """psql at a terminal: a script ends at Ctrl-C, only an interactive psql goes on after it."""

    def __enter__(self):
        self.screen, terminal = pty.openpty()
        settings = termios.tcgetattr(terminal)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [PSQL, "-X", "-q", "-A", "-t", "-n", "-v", "PROMPT1=", "-v", "PROMPT2="], stdin=terminal, stdout=terminal,
            stderr=terminal, env={**os.environ, "PSQL_PAGER": ""}, start_new_session=True)
        os.close(terminal)
        self.text = ""
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.screen)

    def type(self, text):
        os.write(self.screen, text.encode())

    def read_until(self, pattern):
        """The match of the first whole line like the pattern among what was not read yet."""
        deadline = time.monotonic() + suite.DEADLINE
        while not (found := re.search(rf"^{pattern}\r?\n", self.text, re.MULTILINE)):
            ready, _, _ = select.select([self.screen], [], [], max(0, deadline - time.monotonic()))
            check(ready, f"no line like {pattern!r}; psql printed {self.text!r}")
            self.text += os.read(self.screen, 4096).decode()
        self.text = self.text[found.end():]
        return found


def cancel():
    with Terminal() as sleeper:
        sleeper.type("SELECT pg_backend_pid();\n")
        pid = sleeper.read_until(r"(\d+)")[1]
        sleeper.type("SELECT pg_sleep(30);\n")
        suite.poll(lambda: lines(f"{suite.SLEEPERS}{pid};\n") == ["1"], "pg_sleep")
        # What Ctrl-C does: psql sends the CancelRequest from its signal handler.
        sleeper.process.send_signal(signal.SIGINT)
        sleeper.read_until("ERROR:  canceling statement due to user request")
        sleeper.type("\\echo state :SQLSTATE\nSELECT 'backend', pg_backend_pid();\n")
        equal(sleeper.read_until(r"state (\w+)")[1], "57014", "SQLSTATE")
        equal(sleeper.read_until(r"backend\|(\d+)")[1], pid, "backend after the cancel")


suite.run({"connect": connect, "simple": simple, "parameterized": parameterized, "prepared": prepared,
           "pipelined": pipelined, "copy": copy, "cancel": cancel})
