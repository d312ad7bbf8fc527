"""The command line of this system."""

from __future__ import annotations

import pytest


@pytest.fixture
def run(cli, frozen):
    """Runs a command of the system in this process: (exit code, stdout, stderr)."""

    def call(*args, stdin="", tty=False):
        ran = cli("guess", *args, stdin=stdin, tty=tty)
        return ran.code, ran.out, ran.err

    return call
