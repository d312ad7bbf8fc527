"""Groups of commands: how they are declared, found and listed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from .declared import Extra, Spec, unknown
from .parsing import options_text
from .running import execute

F = TypeVar("F", bound=Callable[..., Any])


class Commands:
    """A named group of commands; groups nest (`budget set`), and one command may be the default."""

    def __init__(
        self, name: str, help: str = "", *, examples: Sequence[str] = (), network: bool = False
    ) -> None:
        self.name = name
        self.network = network
        self.help = help
        self.examples = tuple(examples)
        self.specs: dict[str, Spec] = {}
        self.groups: dict[str, Commands] = {}
        self.fallback: Spec | None = None

    def command(
        self,
        name: str | None = None,
        *,
        aliases: Sequence[str] = (),
        says: str | Callable[[Any], str] | None = None,
        columns: Sequence[str] | None = None,
        empty: str | None = None,
        examples: Sequence[str] = (),
        undoable: bool = True,
        hidden: bool = False,
        default: bool = False,
        extras: Callable[[], Iterable[Extra]] = tuple,
    ) -> Callable[[F], F]:
        """Registers a function as a command.

        `says` is what a person is told instead of a table: a template over the result (`{0.id}`) or a function
        of it. `columns` are the fields a table shows, `empty` the note where there is nothing. A `default`
        command runs when the first word names no command. One that is not `undoable` is not journalled. `extras`
        are asked for when the parser is built.
        """

        def register(fn: F) -> F:
            key = name or fn.__name__.rstrip("_").replace("_", "-")
            shown = (says, columns, empty)
            spec = Spec(
                key, fn, tuple(aliases), *shown, tuple(examples), undoable, hidden, self.network, extras
            )
            if default:
                self.fallback = spec
            if not (default and name in (None, self.name)):  # `serve` is no command of `serve`
                self.specs[key] = spec
            return fn

        return register

    def group(self, name: str, help: str = "", *, examples: Sequence[str] = ()) -> Commands:
        """A nested group."""
        self.groups[name] = Commands(f"{self.name} {name}", help, examples=examples, network=self.network)
        return self.groups[name]

    def find(self, word: str) -> Spec | Commands | None:
        """The command or group of that name or alias."""
        if found := self.specs.get(word) or self.groups.get(word):
            return found
        return next((s for s in self.specs.values() if word in s.aliases), None)

    def walk(self) -> Iterator[tuple[str, Spec]]:
        """Every command below, with its full name."""
        if self.fallback is not None and self.fallback.name not in self.specs:
            yield self.name, self.fallback
        for spec in self.specs.values():
            yield f"{self.name} {spec.name}", spec
        for group in self.groups.values():
            yield from group.walk()

    # -- running -----------------------------------------------------------------------------------------

    def run(self, args: list[str], flags: dict[str, str] | None = None) -> int:
        """Runs what the arguments name and gives the exit code. Raises HubError."""
        flags = {} if flags is None else flags
        word = args[0] if args else None
        if word in ("-h", "--help") and (self.specs or self.groups):
            sys.stdout.write(self.help_text())
            return 0
        found = self.find(word) if word is not None else None
        if isinstance(found, Commands):
            return found.run(args[1:], flags)
        if found is not None:
            return execute(f"{self.name} {found.name}", found, args[1:], flags)
        if self.fallback is not None:
            return execute(self.name, self.fallback, args, flags)
        if word is None:
            sys.stdout.write(self.help_text())
            return 0
        raise unknown("command", f"{self.name} {word}", word, [*self.names(), *self.groups], self.name)

    def names(self) -> list[str]:
        """Every name that `find` knows, aliases included."""
        return [n for s in self.specs.values() for n in (s.name, *s.aliases)]

    def help_text(self) -> str:
        """The list of commands, examples first."""
        lines = [self.help, ""] if self.help else []
        if self.examples:
            lines += ["Examples:", *(f"  {e}" for e in self.examples), ""]
        if self.fallback is not None and self.fallback.name not in self.specs:
            lines += [options_text(self.name, self.fallback), ""]
        lines += [f"Usage: backendhub {self.name} COMMAND [OPTIONS]", "", "Commands:"]
        rows = [(s.name, s.summary) for s in self.specs.values() if not s.hidden]
        rows += [
            (g, f"{sub.help} ({', '.join([*sub.specs, *sub.groups])})") for g, sub in self.groups.items()
        ]
        width = max((len(name) for name, _ in rows), default=0)
        lines += [f"  {name:<{width}}  {text}" for name, text in rows]
        lines += [
            "",
            f"`backendhub {self.name} COMMAND -h` explains one; every command takes --json, --format, --fields.",
        ]
        return "\n".join(lines) + "\n"
