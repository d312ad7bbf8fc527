"""Typer glue: commands are functions that return values; this module finds, parses, runs and renders them.

Typer turns a signature into a parser, which costs a millisecond or two a command, so only the command that
was typed is built. Every command takes the output options (`--json`, `--format`, …) unless it declares one of
that name itself, and negative numbers are arguments, not options.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from typer._click.core import Context
from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError
from typer._click.formatting import HelpFormatter
from typer._click.parser import _OptionParser, _ParsingState
from typer.core import TyperCommand, TyperOption
from typer.exceptions import Abort, Exit
from typer.main import get_command_from_info
from typer.models import CommandInfo

from backendhub.kit import hub
from backendhub.kit.errors import HubError, Invalid, NotFound
from backendhub.kit.output import FORMATS, Output

F = TypeVar("F", bound=Callable[..., Any])
NEGATIVE = r"-(\d|\.\d|[¼-¾⅐-⅞])"
OUTPUT_OPTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("format", "Output format: " + ", ".join(FORMATS) + ".", "FORMAT"),
    ("json", "Short for --format json.", None),
    ("fields", "Fields to show, in this order: a,b,c.", "NAMES"),
    ("jq", "Filter the JSON with a jq expression.", "EXPR"),
    ("color", "auto, always or never.", "WHEN"),
    ("db", "Store to use: a file or a URL.", "URL"),
    ("quiet", "Leave out notes and progress.", None),
    ("debug", "Show tracebacks and slow queries.", None),
)
NETWORK_OPTIONS: tuple[tuple[str, str, str | None], ...] = (
    ("offline", "Answer from the cache, never use the network.", None),
    ("no-cache", "Ask the server even where the cache is fresh.", None),
    ("timeout", "Seconds to wait for the server.", "SECONDS"),
)


class Usage(Invalid):
    """A command line that cannot be understood."""

    code = "usage"


class Instead(Exception):
    """Raised by a command that is another one by a shorter name: `words` are run in its place."""

    def __init__(self, *words: str) -> None:
        super().__init__(" ".join(words))
        self.words = words


class Extra(NamedTuple):
    """An option that a command takes for somebody else; a switch without `metavar`. See `given`."""

    flag: str
    help: str
    metavar: str = ""
    repeats: bool = False


class Spec(NamedTuple):
    """A command as declared: its function and how its result is shown."""

    name: str
    fn: Callable[..., Any]
    aliases: tuple[str, ...]
    says: str | Callable[[Any], str] | None
    columns: Sequence[str] | None
    empty: str | None
    examples: tuple[str, ...]
    undoable: bool
    hidden: bool
    network: bool = False
    extras: Callable[[], Iterable[Extra]] = tuple

    @property
    def options(self) -> tuple[tuple[str, str, str | None], ...]:
        """The options that every command of its kind takes."""
        return OUTPUT_OPTIONS + NETWORK_OPTIONS if self.network else OUTPUT_OPTIONS

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.fn.__doc__ or "").strip().split("\n", 1)[0].rstrip(".")


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


commands = Commands


def unknown(kind: str, path: str, word: str, known: Iterable[str], group: str = "") -> Usage:
    """The error for a name that does not exist, with the nearest that does."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    help_ = f"backendhub {group} --help".replace("  ", " ")
    return Usage(
        f"There is no {kind} `{path}`.", hint=f"did you mean `{near[0]}`? ({help_})" if near else help_
    )


class _Parser(_OptionParser):
    """Takes `-40` and `-.5` as values: no command has a digit for an option."""

    def _process_opts(self, arg: str, state: _ParsingState) -> None:
        if re.match(NEGATIVE, arg):
            state.largs.append(arg)
        else:
            super()._process_opts(arg, state)


class _Command(TyperCommand):
    """One command with the output options added."""

    spec: Spec
    flags: dict[str, str]

    def make_parser(self, ctx: Context) -> _OptionParser:
        parser = _Parser(ctx)
        for param in self.get_params(ctx):
            param.add_to_parser(parser, ctx)
        return parser

    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.spec.examples:
            formatter.write_paragraph()
            formatter.write("Examples:\n" + "".join(f"  {e}\n" for e in self.spec.examples))

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        names = " ".join(
            f"--{name}" + (f" {metavar}" if metavar else "") for name, _, metavar in self.spec.options
        )
        formatter.write_paragraph()
        with formatter.section("Output options"):
            formatter.write_text(names)


def build(path: str, spec: Spec, flags: dict[str, str]) -> _Command:
    """The parser of one command."""
    info = CommandInfo(
        name=path.rsplit(" ", 1)[-1],
        cls=_Command,
        callback=spec.fn,
        help=spec.fn.__doc__,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    command = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
    assert isinstance(command, _Command)
    command.spec = spec
    command.flags = flags
    taken = {opt for param in command.params for opt in param.opts}
    for name, text, metavar in spec.options:
        decls = [f"--{name}", "-q"] if name == "quiet" and "-q" not in taken else [f"--{name}"]
        if f"--{name}" not in taken:
            command.params.append(_output_option(decls, name, text, metavar, flags))
    command.params += [_extra_option(extra) for extra in spec.extras()]
    return command


def _extra_option(extra: Extra) -> TyperOption:
    def keep(ctx: Context, param: Any, value: Any) -> None:
        if value:
            text = "true" if value is True else " ".join(value) if extra.repeats else str(value)
            given(ctx)[extra.flag] = text

    return TyperOption(
        param_decls=[f"--{extra.flag}", f"extra_{extra.flag.replace('-', '_')}"],
        is_flag=not extra.metavar,
        default=None if extra.metavar else False,
        metavar=extra.metavar or None,
        multiple=extra.repeats,
        expose_value=False,
        callback=keep,
        help=extra.help,
    )


def given(ctx: Context) -> dict[str, str]:
    """The values of the extras on the command line."""
    found: dict[str, str] = ctx.meta.setdefault("backendhub.extras", {})
    return found


def options_text(path: str, spec: Spec) -> str:
    """Usage, arguments and options of one command, without its description and examples."""
    command = build(path, spec, {})
    with command.make_context(f"backendhub {path}", [], resilient_parsing=True) as ctx:
        formatter = ctx.make_formatter()
        command.format_usage(ctx, formatter)
        command.format_options(ctx, formatter)
    return formatter.getvalue().rstrip()


def _output_option(
    decls: list[str], name: str, text: str, metavar: str | None, flags: dict[str, str]
) -> TyperOption:
    def keep(ctx: Context, param: Any, value: Any) -> None:
        if value is not None and value is not False:
            flags[name] = "true" if value is True else str(value)

    return TyperOption(
        param_decls=[*decls, f"output_{name.replace('-', '_')}"],
        is_flag=metavar is None,
        default=None if metavar else False,
        metavar=metavar,
        expose_value=False,
        is_eager=True,
        callback=keep,
        help=text,
        hidden=True,
    )


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


class Result(NamedTuple):
    """A value to render together with an exit code other than 0."""

    value: Any
    exit_code: int


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


# -- for commands -----------------------------------------------------------------------------------------


def ids(words: Iterable[str]) -> list[int]:
    """Numbers as people type them: `3`, `1,3-5`, several words, or `-` for one per line of stdin.

    In order, each once. Raises Invalid for anything else.
    """
    found: dict[int, None] = {}
    for word in words:
        for part in lines([word]) if word == "-" else word.split(","):
            match = re.fullmatch(r"\s*#?(\d{1,18})(?:-(\d{1,18}))?\s*", part)
            if match is None:
                raise Invalid(
                    f"{part.strip()!r} is not an id.", hint="write 3, 1,3-5 or - to read ids from stdin"
                )
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first or last - first >= 100_000:
                raise Invalid(f"{part.strip()!r} is not a range of ids.", hint="write 3-5")
            found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def lines(words: Iterable[str]) -> list[str]:
    """The words, with `-` replaced by the non-empty lines of stdin."""
    found: list[str] = []
    for word in words:
        if word == "-":
            found += [line for line in (raw.strip() for raw in sys.stdin) if line]
        else:
            found.append(word)
    return found


def read_file(name: str) -> str:
    """A UTF-8 text file or, for `-`, stdin. Raises NotFound, Invalid."""
    try:
        if name == "-":
            return sys.stdin.read()
        with open(name, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 (pathlib costs an import)
            return file.read()
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"The file {name} cannot be read: {error}.") from None


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal; elsewhere `--yes` must have been given. Raises Usage where it was not, Exit on no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage("This needs a confirmation and there is no terminal to ask.", hint="add --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(1)


__all__ = [
    "Commands",
    "Extra",
    "HubError",
    "Instead",
    "Result",
    "Spec",
    "Usage",
    "commands",
    "configure",
    "confirm",
    "execute",
    "given",
    "ids",
    "lines",
    "unknown",
]
