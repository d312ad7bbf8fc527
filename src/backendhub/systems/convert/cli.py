"""`backendhub convert`: the default command converts; groups keep the user's units and the rates."""

from __future__ import annotations

import sys
from typing import Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError

from . import service
from .models import Conversion, Custom, Style

app = cli.commands(
    "convert",
    "Convert units and currencies, exactly: backendhub convert VALUE FROM [to] TO…",
    examples=(
        "backendhub convert 5 km mi",
        "backendhub convert 42 C to F",
        'backendhub convert "5 ft 11 in" cm',
        "backendhub convert 100 kg 'lb;oz'",
        "backendhub convert 30 mpg L/100km",
        "seq 5 | backendhub convert - km mi   # one value a line",
    ),
)
CHUNK = 1000
"""Lines of a batch between two steps of the progress bar."""


def _shown(rows: Conversion | list[Conversion]) -> str:
    found = rows if isinstance(rows, list) else [rows]
    equations = hub.output().format == "table"
    return "\n".join(row.equation() if equations else row.bare() for row in found)


@app.command(default=True, says=_shown, examples=app.examples, undoable=False)
def convert(
    words: Annotated[
        list[str],
        Argument(
            help="A value with its unit, `to` if you like, and one unit or more; - reads lines.",
            metavar="VALUE FROM [to] TO...",
        ),
    ],
    uk: Annotated[bool, Option("--uk", help="British gallons, pints, cups, …")] = False,
    delta: Annotated[bool, Option("--delta", help="A difference of temperatures: 10 C is 18 F.")] = False,
    precision: Annotated[int | None, Option("--precision", help="Significant digits.", metavar="N")] = None,
    decimals: Annotated[int | None, Option("--decimals", help="Digits after the point.", metavar="N")] = None,
    exact: Annotated[bool, Option("--exact", help="The exact fraction where decimals do not end.")] = False,
    date: Annotated[
        str | None, Option("--date", help="Use currency rates of that day.", metavar="WHEN")
    ] = None,
) -> Conversion | list[Conversion] | None:
    """Convert a value from one unit to one or more others."""
    options: dict[str, Any] = {"uk": uk, "delta": delta, "style": Style(precision, decimals, exact)}
    if date is not None:
        options["on"] = _day(date)
    batch = [line.split() for line in _lines()] if "-" in words else None

    def run(db: Db | None) -> list[Conversion]:
        converter = service.Converter(db, **options)
        if batch is None:
            return converter.answer(words)
        return _batch(converter, batch, words)

    try:
        rows = run(None)
    except service.NeedsStore:
        rows = hub.read(run)
    if not rows and not hub.output().structured:
        return None
    return rows[0] if len(rows) == 1 and batch is None else rows


def _batch(converter: service.Converter, batch: list[list[str]], words: list[str]) -> list[Conversion]:
    rows: list[Conversion] = []
    with hub.output().progress("Converting", total=len(batch)) as advance:
        for number, line in enumerate(batch, 1):
            rows += _line(converter, number, line, words)
            if number % CHUNK == 0:
                advance(CHUNK)
    return rows


def _lines() -> list[str]:
    return [line for line in (raw.strip() for raw in sys.stdin) if line and not line.startswith("#")]


def _line(converter: service.Converter, number: int, line: list[str], words: list[str]) -> list[Conversion]:
    """Converts a line of the batch, which stands where `-` stood in the words."""
    at = words.index("-")
    try:
        return converter.answer([*words[:at], *line, *words[at + 1 :]])
    except HubError as error:
        error.message = f"Line {number}: {error.message}"
        raise


def _day(text: str) -> Any:
    from datetime import datetime

    from backendhub.kit import when

    day = when.parse(text)
    return day.date() if isinstance(day, datetime) else day


@app.command("list", undoable=False)
def list_(
    category: Annotated[list[str] | None, Argument(help="length, fuel economy, currency, custom, …")] = None,
) -> Any:
    """List the categories, or the units of one."""
    from . import catalogue

    if category:
        return hub.read(catalogue.listed, " ".join(category))
    return hub.read(catalogue.categories)


unit = app.group("unit", "Units of your own")


@unit.command(
    "add",
    says="Unit added: 1 {0.name} = {0.definition}",
    examples=("backendhub convert unit add smoot = 67 in",),
)
def unit_add(
    name: Annotated[str, Argument(help="What it is called.", metavar="NAME")],
    definition: Annotated[list[str], Argument(help="What one of it is: = 3 ft", metavar="= VALUE UNIT")],
) -> Custom:
    """Add a unit of your own."""
    from . import custom

    return hub.unit(custom.add, name=name, definition=definition)


OWN = ("name", "definition", "category")


@unit.command(
    "list", columns=OWN, empty="No units of your own. Add one: backendhub convert unit add NAME = 3 ft"
)
def unit_list() -> list[Custom]:
    """List your units."""
    from . import custom

    return hub.read(custom.find_all)


@unit.command("remove", aliases=("rm", "delete"))
def unit_remove(name: Annotated[str, Argument(help="What it is called.")]) -> str:
    """Remove one of your units (`backendhub undo` brings it back)."""
    from . import custom

    hub.unit(custom.remove, name)
    return f"Unit removed: {name}"


rate = app.group("rate", "Currency rates by date, shared with `expense`")


@rate.command(
    "add",
    says="Rate added: 1 {0.base} = {0.decimal} {0.quote} from {0.date}",
    examples=("backendhub convert rate add EUR USD 1.08 --date 2026-01-02",),
)
def rate_add(
    base: Annotated[str, Argument(help="One of this currency…", metavar="BASE")],
    quote: Annotated[str, Argument(help="…in this one", metavar="QUOTE")],
    value: Annotated[str, Argument(help="is worth so much: 1.08 or 27/25.", metavar="RATE")],
    date: Annotated[str | None, Option("--date", help="From this day on (today).", metavar="WHEN")] = None,
) -> Any:
    """Record a rate."""
    from . import custom

    return hub.unit(custom.add_rate, base=base, quote=quote, value=value, on=_day(date) if date else None)


@rate.command(
    "list",
    columns=("date", "base", "quote", "rate", "source"),
    empty="No rates. Add one: backendhub convert rate add EUR USD 1.08",
)
def rate_list() -> Any:
    """List the recorded rates."""
    from . import custom

    return hub.read(custom.find_rates)
