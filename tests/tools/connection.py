"""The connection strings that README.md tells people to use; the tools are run with these very letters.

Only what every reader puts in for himself is replaced: role and password, host and port, database, the authority's file.
"""

import functools
import urllib.parse

import install

README = install.ROOT / "README.md"
PLAIN, TLS = "<!-- connection strings: plain -->", "<!-- connection strings: TLS -->"
FENCE = "```"
EXAMPLE_LOGIN = "deployer:secret@"
EXAMPLE_PLACE = "proxy.example.com:6432/app"
EXAMPLE_CA = "ca.crt"


class NotAsExpected(Exception):
    """README.md does not have what the tools are to be run with."""


def string(scheme, login, place, ca=None):
    """README's string of that scheme, for `place` (host:port/database); over TLS when an authority's file is given."""
    marker = TLS if ca else PLAIN
    text = _only(marker, scheme)
    replacements = {EXAMPLE_PLACE: place}
    if not scheme.startswith("jdbc:"):
        replacements[EXAMPLE_LOGIN] = f"{login}@"
    if ca:
        replacements[EXAMPLE_CA] = urllib.parse.quote(str(ca))
    for example, real in replacements.items():
        if text.count(example) != 1:
            raise NotAsExpected(f"README.md, {marker}: {text} should have {example} once")
        text = text.replace(example, real)
    return text


def _only(marker, scheme):
    found = [text for text in _block(marker) if text.startswith(f"{scheme}://")]
    if len(found) != 1:
        raise NotAsExpected(f"README.md, {marker}: {len(found)} strings begin with {scheme}://, there should be one")
    return found[0]


@functools.lru_cache
def _block(marker):
    """The last word of every line of the code block beneath the marker."""
    lines = README.read_text(encoding="utf-8").splitlines()
    if lines.count(marker) != 1:
        raise NotAsExpected(f"README.md has {lines.count(marker)} lines {marker}, there should be one")
    below = lines[lines.index(marker) + 1 :]
    if not below or not below[0].startswith(FENCE) or FENCE not in below[1:]:
        raise NotAsExpected(f"README.md, {marker}: no code block follows")
    return [line.split()[-1] for line in below[1 : below.index(FENCE, 1)] if line.strip()]
