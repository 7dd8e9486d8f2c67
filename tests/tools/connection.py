"""The connection strings that README.md and docs/tools.md tell people to use; the tools are run with these very letters.

Only what every reader puts in for himself is replaced: role and password, host and port, database, the authority's file.
"""

import functools
import urllib.parse

import install

README, TOOLS = install.ROOT / "README.md", install.ROOT / "docs" / "tools.md"
PLAIN, TLS, OF_TOOLS = "<!-- connection strings: plain -->", "<!-- connection strings: TLS -->", "<!-- connection strings -->"
FENCE = "```"
EXAMPLE_LOGIN = "deployer:secret@"
EXAMPLE_PLACE = "proxy.example.com:6432/app"
EXAMPLE_CA = "ca.crt"


class NotAsExpected(Exception):
    """The document does not have what the tools are to be run with."""


def string(scheme, login, place, ca=None):
    """README's string of that scheme, for `place` (host:port/database); over TLS when an authority's file is given."""
    marker = TLS if ca else PLAIN
    replacements = {EXAMPLE_PLACE: place}
    if not scheme.startswith("jdbc:"):
        replacements[EXAMPLE_LOGIN] = f"{login}@"
    if ca:
        replacements[EXAMPLE_CA] = urllib.parse.quote(str(ca))
    return _filled_in(README, marker, _only(README, marker, "", scheme), replacements)


def of_tool(tool, scheme, login, place):
    """The string on the tool's own line of docs/tools.md."""
    text = _only(TOOLS, OF_TOOLS, f"{tool} ", scheme)
    replacements = {EXAMPLE_PLACE: place, **({} if scheme.startswith("jdbc:") else {EXAMPLE_LOGIN: f"{login}@"})}
    return _filled_in(TOOLS, OF_TOOLS, text, replacements)


def _filled_in(document, marker, text, replacements):
    for example, real in replacements.items():
        if text.count(example) != 1:
            raise NotAsExpected(f"{document.name}, {marker}: {text} should have {example} once")
        text = text.replace(example, real)
    return text


def _only(document, marker, tool, scheme):
    """The last word of the one line that begins with `tool` and has a string of that scheme."""
    lines = [line for line in _block(document, marker) if line.startswith(tool)]
    found = [text for text in (line.split()[-1] for line in lines) if text.startswith(f"{scheme}:")]
    if len(found) != 1:
        raise NotAsExpected(f"{document.name}, {marker}: {len(found)} strings {tool}{scheme}: there should be one")
    return found[0]


@functools.lru_cache
def _block(document, marker):
    """The lines of the code block beneath the marker."""
    lines = document.read_text(encoding="utf-8").splitlines()
    if lines.count(marker) != 1:
        raise NotAsExpected(f"{document.name} has {lines.count(marker)} lines {marker}, there should be one")
    below = lines[lines.index(marker) + 1 :]
    if not below or not below[0].startswith(FENCE) or FENCE not in below[1:]:
        raise NotAsExpected(f"{document.name}, {marker}: no code block follows")
    return [line for line in below[1 : below.index(FENCE, 1)] if line.strip()]
