"""Parsing, running and rendering one command."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError
from typer.exceptions import Abort, Exit

from backendhub.kit import hub
from backendhub.kit.output import Output

from .declared import Spec, Usage
from .parsing import build


class Result(NamedTuple):
    """A value to render together with an exit code other than 0."""

    value: Any
    exit_code: int


def execute(path: str, spec: Spec, args: list[str], flags: dict[str, str]) -> int:
    """Parses, runs and renders one command; gives its exit code. Raises HubError."""
    command = build(path, spec, flags)
    try:
        with command.make_context(f"backendhub {path}", args) as ctx:
            current = configure(flags)
            current.begin(path if spec.undoable else None)
            value = command.invoke(ctx)
    except Exit as stop:
        return int(stop.exit_code)
    except Abort:
        return 130
    except NoArgsIsHelpError as error:
        sys.stdout.write(str(error))
        return 2
    except ClickException as error:
        usage = f"backendhub {path} --help"
        hint = usage if isinstance(error, UsageError) else None
        raise Usage(error.format_message(), hint=hint) from error
    return render(spec, value, current.output)


def render(spec: Spec, value: Any, output: Output) -> int:
    """Shows a command's result as declared. A `Code` in its place is the exit code."""
    code = 0
    if isinstance(value, Result):
        code, value = value.exit_code, value.value
    if value is None:
        return code
    if spec.says is not None and output.format in ("table", "plain") and not output.fields:
        output.line(spec.says.format(value) if isinstance(spec.says, str) else spec.says(value))
    else:
        output.show(value, spec.columns, empty=spec.empty)
    return code


def configure(flags: dict[str, str]) -> hub.Hub:
    """Applies the output options to the current hub."""
    current = hub.current()
    settings = current.settings
    if "db" in flags:
        settings.flags["database"] = flags["db"]
    for name in ("color", "offline", "timeout", "debug"):
        if name in flags:
            settings.flags[name] = flags[name]
    if "no-cache" in flags:
        settings.flags["cache"] = "false"
    asked = "json" if "json" in flags else flags.get("format", settings.get("format"))
    fields = [f.strip() for f in flags["fields"].split(",") if f.strip()] if "fields" in flags else None
    current.output = Output(
        asked,
        fields=fields,
        jq=flags.get("jq"),
        color=settings.get("color") or "auto",
        quiet="quiet" in flags,
        stdout=sys.stdout,
        stderr=sys.stderr,
    )
    return current
