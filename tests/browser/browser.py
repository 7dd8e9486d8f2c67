"""Headless Chromium, told what to do line by line (driver.mjs)."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import install

HERE = pathlib.Path(__file__).resolve().parent


class Wrong(Exception):
    """The browser could not do what it was told."""


class Browser:
    """One browser with one window at a time."""

    def __init__(self):
        environment = {**os.environ, "BROWSER": shutil.which(install.browser()), "BROWSER_PACKAGES": str(install.browser_packages())}
        self.process = subprocess.Popen(
            ["node", HERE / "driver.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __getattr__(self, does):
        """`browser.click(role="button", name="Log in")`: everything that driver.mjs does."""

        def do(**how):
            self.process.stdin.write(json.dumps({"does": does, **how}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            answer = json.loads(line) if line else {"error": f"the browser ended with {self.process.wait()}"}
            if "error" in answer:
                raise Wrong(f"{does} {how}: {answer['error']}")
            return answer["value"]

        return do

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
