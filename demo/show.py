"""What the demo prints: a line for each step while it works, then a table."""

import contextlib
import os
import shutil
import sys
import textwrap
import threading
import time

SPINNER = "|/-\\"
FRAME_SECONDS = 0.12


class Screen:
    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self.colours = self.live and "NO_COLOR" not in os.environ
        self.width = min(shutil.get_terminal_size((120, 25)).columns, 140)

    def line(self, text=""):
        print(text, file=self.stream, flush=True)

    def heading(self, text):
        self.line()
        self.line(self.paint("1", text))

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colours else text

    def paragraph(self, text, indent):
        """Text of others, wrapped so that its own line breaks survive."""
        for line in text.splitlines():
            self.line(textwrap.fill(line, self.width, initial_indent=indent, subsequent_indent=indent + "  ",
                                    break_long_words=False, break_on_hyphens=False))

    @contextlib.contextmanager
    def step(self, text):
        """One line of work. On a terminal it lives, elsewhere its start and its end are written down."""
        step = Step(self, text)
        step.begin()
        try:
            yield step
        except BaseException:
            step.end("stopped")
            raise
        step.end(step.result)


class Step:
    def __init__(self, screen, text):
        self.screen, self.text = screen, text
        self.started = time.monotonic()
        self.result, self.share = "", None
        self.over = threading.Event()
        self.painter = threading.Thread(target=self._spin, daemon=True)

    def begin(self):
        if self.screen.live:
            self.painter.start()
        else:
            self.screen.line(f"  {self.text} …")

    def progress(self, share):
        self.share = share

    def _spin(self):
        frame = 0
        while not self.over.wait(FRAME_SECONDS):
            percent = "" if self.share is None else f" {self.share:4.0%}"
            self._overwrite(f"{SPINNER[frame % len(SPINNER)]} {self.text}{percent}  {self._elapsed()}")
            frame += 1

    def _overwrite(self, text, end=""):
        self.screen.stream.write(f"\r\033[K{text[: self.screen.width - 1]}{end}")
        self.screen.stream.flush()

    def _elapsed(self):
        return f"{time.monotonic() - self.started:.1f} s"

    def end(self, result):
        self.over.set()
        if self.screen.live:
            self.painter.join()
            self._overwrite(f"  {self.text}  {self._elapsed()}  {result}", end="\n")
        else:
            self.screen.line(f"    {result or 'done'} after {self._elapsed()}")


def milliseconds(seconds):
    return f"{seconds * 1000:,.0f} ms"


def table(screen, rows, groups, headings):
    """Rows under headings under groups: groups are (title, number of columns)."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    starts, column = [], 0
    for title, span in groups:
        starts.append(title.ljust(sum(widths[column:column + span]) + 2 * (span - 1)))
        column += span
    rule = "  ".join("-" * width for width in widths)
    screen.line("  ".join(starts).rstrip())
    screen.line(_cells(headings, widths))
    screen.line(rule)
    for row in rows:
        screen.line(_cells(row, widths))


def _cells(row, widths):
    # Numbers stand flush right, words flush left.
    cells = [cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width) for cell, width in zip(row, widths)]
    return "  ".join(cells).rstrip()
