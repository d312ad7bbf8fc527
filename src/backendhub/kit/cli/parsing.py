"""The parser of one command, made by Typer out of its signature."""

from __future__ import annotations

import re
from typing import Any

from typer._click.core import Context
from typer._click.formatting import HelpFormatter
from typer._click.parser import _OptionParser, _ParsingState
from typer.core import TyperCommand, TyperOption
from typer.main import get_command_from_info
from typer.models import CommandInfo

from .declared import Extra, Spec

NEGATIVE = r"-(\d|\.\d|[¼-¾⅐-⅞])"


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
