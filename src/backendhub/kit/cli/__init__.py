"""Typer glue: commands are functions that return values; this package finds, parses, runs and renders them.

Typer turns a signature into a parser, which costs a millisecond or two a command, so only the command that
was typed is built. Every command takes the output options (`--json`, `--format`, …) unless it declares one of
that name itself, and negative numbers are arguments, not options.
"""

from __future__ import annotations

from backendhub.kit.errors import HubError

from .declared import Extra, Spec, Usage, unknown
from .groups import Commands
from .parsing import build, given, options_text
from .running import Result, configure, execute, render
from .words import confirm, ids, lines, read_file

commands = Commands

__all__ = [
    "Commands",
    "Extra",
    "HubError",
    "Result",
    "Spec",
    "Usage",
    "build",
    "commands",
    "configure",
    "confirm",
    "execute",
    "given",
    "ids",
    "lines",
    "options_text",
    "read_file",
    "render",
    "unknown",
]
