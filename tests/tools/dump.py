"""pg_dump of the machine, where it is new enough for the server."""

import functools
import os
import re
import shutil
import subprocess

import tools

# A dump has a random word in it (`\\restrict`), where pg_dump does not let it be chosen.
RANDOM_WORD = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)


class Unavailable(Exception):
    """There is no pg_dump that can dump this server; the text says why."""


def schema(cluster, database):
    """`pg_dump --schema-only`, as it came but for its random word."""
    if not shutil.which("pg_dump"):
        raise Unavailable("no pg_dump on this machine")
    if int(version().split(".")[0]) < int(cluster.version.split(".")[0]):
        raise Unavailable(f"pg_dump {version()} is older than the server")
    command = ["pg_dump", "--schema-only", "-h", "127.0.0.1", "-p", str(cluster.port), "-U", tools.USER, database]
    environment = {**tools.clean_environment(), "PGPASSWORD": tools.PASSWORD}
    process = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise Unavailable(process.stderr.strip())
    return RANDOM_WORD.sub("", process.stdout)


@functools.lru_cache
def version():
    words = subprocess.run(["pg_dump", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return words[2]
