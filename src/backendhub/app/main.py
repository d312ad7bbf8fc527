"""The entry point: finds the command that was typed, imports nothing else, turns errors into exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from backendhub import __version__, registry

if TYPE_CHECKING:
    from backendhub.kit.cli import Commands
    from backendhub.kit.errors import HubError
    from backendhub.kit.output import Output

# The product's own commands: name → (module of the composition root, summary).
APP = {
    "serve": ("serve", "Run backends as APIs: serve NAME…, or all of them"),
    "list": ("admin", "Every system and what it offers"),
    "user": ("user", "Accounts, API keys and tokens of the APIs"),
    "config": ("config", "Show and change settings"),
    "doctor": ("doctor", "Check the store, permissions, extras, services and the clock"),
    "db": ("database", "Migrations: db status, db migrate"),
    "data": ("data", "Import, export, query and inspect the local store"),
    "demo": ("admin", "Fill systems with believable sample data"),
    "files": ("files", "Files of the APIs: usage, quotas, collection, checks"),
    "jobs": ("jobs", "Background work: list, run, retry, cancel"),
    "mail": ("mail", "Mail that was sent from here: list, show, test"),
    "bus": ("bus", "Events on a bus: status, leave"),
    "webhook": ("webhook", "Webhooks: add, log, replay"),
    "audit": ("audit", "Who changed what: list, verify"),
    "undo": ("undo", "Undo the last change of any tool"),
    "openapi": ("openapi", "Print a system's OpenAPI document without a server"),
    "new": ("scaffold", "Scaffold a new system"),
    "completion": ("completion", "Print a shell completion script"),
}
VALUE_FLAGS = ("format", "fields", "jq", "color", "db")
SWITCHES = ("json", "quiet", "debug")


def help_text() -> str:
    """`backendhub --help`, from the registry alone."""
    lines = [
        "One command that puts a whole back-end workbench on your machine.",
        "",
        "Examples:",
        '  backendhub task add "Buy groceries" --due fri',
        "  backendhub serve task todo --port 8000",
        "  backendhub task list --json --fields id,description",
        "",
        "Usage: backendhub [OPTIONS] COMMAND [ARGS]",
    ]
    tools = [s for s in registry.SYSTEMS if s.has("cli")]
    width = max(len(n) for n in (*APP, *(s.name for s in tools)))
    for group, title in registry.GROUPS.items():
        if rows := [s for s in tools if s.group == group]:
            lines += ["", f"{title}:", *(f"  {s.name:<{width}}  {s.summary}" for s in rows)]
    lines += ["", "Workbench:", *(f"  {name:<{width}}  {text}" for name, (_, text) in APP.items())]
    served = [s.name for s in registry.SYSTEMS if s.has("api")]
    lines += ["", "APIs (backendhub serve NAME):", *_wrap(served)]
    lines += ["", "Options:"]
    options = (
        ("--format FORMAT", "table, plain, json, ndjson or csv"),
        ("--json", "short for --format json; errors are JSON too"),
        ("--fields a,b", "fields to show"),
        ("--jq EXPR", "filter the JSON (extra: jq)"),
        ("--color WHEN", "auto, always or never"),
        ("--db URL", "store to use: a file or a URL"),
        ("-q, --quiet", "no notes, no progress"),
        ("--debug", "tracebacks and slow queries"),
        ("--version", "the version"),
        ("-h, --help", "this text; after a command, its own"),
    )
    lines += [f"  {name:<16}  {text}" for name, text in options]
    return "\n".join(lines) + "\n"


def _wrap(names: list[str], width: int = 96) -> list[str]:
    rows = ["  "]
    for name in names:
        if len(rows[-1]) + len(name) > width:
            rows.append("  ")
        rows[-1] += name + "  "
    return [row.rstrip() for row in rows]


def globals_of(args: list[str]) -> tuple[dict[str, str], list[str]]:
    """Splits off the options in front of the command name. Raises Usage for one that does not exist."""
    flags: dict[str, str] = {}
    rest = list(args)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        name, equals, value = rest.pop(0).lstrip("-").partition("=")
        name = {"q": "quiet"}.get(name, name)
        if name in SWITCHES and not equals:
            flags[name] = "true"
        elif name in VALUE_FLAGS and (equals or rest):
            flags[name] = value if equals else rest.pop(0)
        else:
            from backendhub.kit.cli import unknown

            raise unknown("option", f"--{name}", f"--{name}", [f"--{n}" for n in (*VALUE_FLAGS, *SWITCHES)])
    return flags, rest


def load(name: str) -> Commands:
    """The commands of a tool or of the workbench. Raises Usage for an unknown name."""
    from backendhub.kit import hub

    if name in APP:
        module = import_module(f"backendhub.app.{APP[name][0]}")
        commands: Commands = module.COMMANDS[name]
        return commands
    system = registry.find(name)
    if system is None or not system.has("cli"):
        from backendhub.kit.cli import Usage, unknown

        if system is not None:
            raise Usage(f"`{name}` has no commands of its own.", hint=f"backendhub serve {name}")
        known = [*APP, *(s.name for s in registry.SYSTEMS if s.has("cli"))]
        raise unknown("command", name, name, known)
    hub.current().use(name)
    loaded: Commands = import_module(f"{system.package}.cli").app
    return loaded


def dispatch(args: list[str]) -> int:
    """Runs a command line and gives its exit code. Raises HubError."""
    if not args or (args[0] in ("-h", "--help", "help") and len(args) == 1):
        sys.stdout.write(help_text())
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"backendhub {__version__}\n")
        return 0
    flags, rest = globals_of(args)
    if "debug" in flags or "--debug" in rest:
        import logging

        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if not rest:
        sys.stdout.write(help_text())
        return 0
    from backendhub.kit import hub
    from backendhub.kit.settings import Settings

    made = hub.Hub(Settings(declared=[o for s in registry.SYSTEMS for o in s.settings]))
    made.serve = lambda words: _serve(words, flags)
    hub.install(made)
    if rest[0] == "help":
        rest = [*rest[1:], "--help"]
    return load(rest[0]).run(rest[1:], flags)


def _serve(words: list[str], flags: dict[str, str]) -> None:
    """`backendhub serve` on behalf of a command."""
    load("serve").run(words, flags)


def main(args: list[str] | None = None) -> int:
    """Runs a command line, reports its errors and gives its exit code."""
    args = sys.argv[1:] if args is None else args
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the locale cannot print must not end in a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        code = dispatch(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _broken_pipe()
    except Exception as error:
        return report(error, args)
    finally:
        _close()


def _close() -> None:
    """Closes the store if one was opened: the last one out moves SQLite's log into the file and makes it last."""
    if (module := sys.modules.get("backendhub.kit.hub")) is not None and module._current is not None:
        module._current.close()


def _open_closed() -> None:
    """Gives a process that was started with a stream closed (`>&-`) somewhere to write, or nothing to read."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        import os

        def void(mode: str) -> Any:
            return os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")

        sys.stdin = sys.stdin or void("r")
        sys.stdout = sys.stdout or void("w")
        sys.stderr = sys.stderr or void("w")


def report(error: Exception, args: list[str]) -> int:
    """Prints one clear line for any error and gives its exit code."""
    import os

    from backendhub.kit.errors import HubError

    debug = "--debug" in args or os.environ.get("BACKENDHUB_DEBUG")
    if debug:
        import traceback

        traceback.print_exc()
    if isinstance(error, HubError):
        failure: HubError = error
    else:
        failure = HubError(
            f"Unexpected failure: {type(error).__name__}: {error}",
            hint="add --debug for the traceback; please report it",
        )
    _error_output(args).fail(failure)
    return failure.exit_code


def _error_output(args: list[str]) -> Output:
    """The output that errors go through: JSON where JSON was asked for, even if parsing failed before."""
    from backendhub.kit.output import FORMATS, Output

    asked = None
    for word, following in zip(args, [*args[1:], ""], strict=True):
        if word == "--json":
            asked = "json"
        elif word.startswith("--format"):
            asked = word.partition("=")[2] or following
    return Output(asked if asked in FORMATS else None)


def _broken_pipe() -> int:
    """The reader has gone (`| head`): nothing is wrong, and nothing may be said."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def run() -> None:
    """The console script."""
    import gc

    from backendhub.kit.output import flush_and_exit

    gc.disable()  # a command ends before there is anything worth collecting; `serve` switches it on again
    flush_and_exit(main())
