"""`backendhub config`: every setting, its value and where that came from; changes go to the config file."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.output import FORMATS
from backendhub.kit.settings import Value, mask

app = cli.commands(
    "config",
    "Show and change settings. A flag beats the environment beats the config file beats the default.",
    examples=(
        "backendhub config",
        "backendhub config set color never",
        "backendhub config get database",
    ),
)
COMMANDS = {"config": app}
CHOICES = {
    "format": FORMATS,
    "color": ("auto", "always", "never"),
    "offline": ("true", "false"),
    "auth": ("none", "token"),
}

Name = Annotated[str, Argument(help="A setting, as `backendhub config` lists it.", metavar="NAME")]


@app.command("list", default=True, undoable=False, columns=("name", "value", "source", "help"))
def list_() -> list[Value]:
    """Every setting: its value, where that came from, and what it does."""
    return hub.current().settings.values()


@app.command(undoable=False)
def get(
    name: Name, reveal: Annotated[bool, Option("--reveal", help="Show a secret in full.")] = False
) -> str | None:
    """Print one value; exit code 3 where nothing sets it."""
    settings = hub.current().settings
    secret = _declared(name)
    value = settings.get(name)
    if value is None:
        raise NotFound(f"{name} is not set.", hint=f"backendhub config set {name} VALUE")
    return mask(value) if secret and not reveal else value


@app.command("set", undoable=False, examples=("backendhub config set timeout 30",))
def set_(
    name: Name,
    value: Annotated[
        str | None, Argument(help="The value; - or nothing reads it from stdin or asks for it.")
    ] = None,
) -> None:
    """Set a value in the config file."""
    secret = _declared(name)
    if value not in (None, "-") and secret:
        raise Invalid(
            f"{name} is a secret, and a command line is visible to every process and kept in the history.",
            hint=f"backendhub config set {name}   (asks for it; in a pipe it reads stdin)",
        )
    text = _read(name, secret=secret) if value in (None, "-") else str(value)
    _check(name, text)
    settings = hub.current().settings
    settings.write(name, text)
    shown, source = settings.lookup(name)
    hub.output().note(f"Set {name} in {settings.path}.")
    if shown != text:
        hub.output().warn(f"{source} still decides: it comes before the config file")


@app.command(undoable=False)
def unset(name: Name) -> None:
    """Remove a value from the config file."""
    settings = hub.current().settings
    if name not in settings.file:
        raise NotFound(f"{name} is not in {settings.path}.", hint="backendhub config")
    settings.write(name, None)
    hub.output().note(f"Removed {name} from {settings.path}.")


@app.command(undoable=False)
def path() -> str:
    """Print where the config file is, whether or not it exists."""
    return str(hub.current().settings.path)


def _declared(name: str) -> bool:
    """Whether the setting is a secret. Raises Invalid for a name that no tool knows."""
    settings = hub.current().settings
    if name not in settings.declared:
        error = cli.unknown("setting", name, name, settings.declared, "config")
        raise Invalid(error.message, hint=error.hint)
    return settings.declared[name].secret


def _read(name: str, *, secret: bool) -> str:
    if not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\r\n")
    elif secret:
        from getpass import getpass

        text = getpass(f"{name}: ", stream=sys.stderr)
    else:
        sys.stderr.write(f"{name}: ")
        sys.stderr.flush()
        text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise Invalid(f"No value for {name} was given.", hint=f"backendhub config unset {name} removes it")
    return text


def _check(name: str, value: str) -> None:
    """Refuses what would make every later command fail. Raises Invalid."""
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise Invalid(f"A value of {name} cannot hold control characters.")
    if name in CHOICES and value not in CHOICES[name]:
        raise Invalid(f"{name} cannot be {value!r}.", hint="choose from " + ", ".join(CHOICES[name]))
    if name == "timeout":
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < 86_400:
            raise Invalid(f"{value!r} is not a number of seconds.", hint="backendhub config set timeout 15")
