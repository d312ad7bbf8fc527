"""`backendhub serve convert`: conversions as JSON, and the three pages of the web form."""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated, Any, NotRequired

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Invalid
from backendhub.kit.output import camel
from backendhub.kit.rates import Rate
from backendhub.kit.web.fields import NO_NUL

from . import catalogue, custom, pages
from .models import Conversion, Custom, Style
from .service import MAX_DIGITS, Converter, NeedsStore

router = web.Router(
    "Exact conversions between units and currencies: `GET /convert?value=5&from=km&to=mi`. Results come as a decimal "
    "and as a fraction. The pages `/length`, `/weight` and `/temperature` are a form for people."
)
HTML = "text/html; charset=utf-8"
FORM_TYPE = "application/x-www-form-urlencoded"


class PartOut(TypedDict):
    """A part of a compound result."""

    value: str
    unit: str


# `from` is a keyword, so this one is declared by name.
ConversionOut = TypedDict(
    "ConversionOut",
    {
        "value": str,
        "from": str,
        "to": str,
        "result": str,
        "fraction": str | None,
        "exact": bool,
        "category": str,
        "parts": NotRequired[list[PartOut]],
        "rate": NotRequired[str],
        "rateDate": NotRequired[str],
    },
)

PATTERN = r"^([^\x00]*[^\s\x00][^\x00]*)$"
CURRENCY = r"^[A-Za-z]{3}$"
RATE = r"^[0-9]{1,40}(\.[0-9]{1,40})?(/[0-9]{1,40}(\.[0-9]{1,40})?)?$"
Value = Annotated[str, Field(min_length=1, max_length=2000, pattern=PATTERN)]
Name = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Digits = Annotated[int | None, Field(ge=0, le=MAX_DIGITS)]


class Item(BaseModel):
    """One conversion of a batch."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    value: Value = Field(examples=["5"])
    source: Name = Field(default="", alias="from", examples=["km"])
    target: Value = Field(alias="to", examples=["mi"])


class Batch(BaseModel):
    """Conversions that share their options."""

    model_config = ConfigDict(extra="forbid", alias_generator=camel, populate_by_name=True)

    items: list[Item] = Field(min_length=1, max_length=1000)
    uk: bool = False
    delta: bool = False
    precision: Annotated[int | None, Field(ge=1, le=MAX_DIGITS)] = None
    decimals: Digits = None
    exact: bool = False
    date: Date | None = Field(default=None, description="Currency rates of that day")


class CustomIn(BaseModel):
    """A unit to add."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=f"^{custom.NAME}$")] = Field(examples=["smoot"])
    definition: Value = Field(examples=["67 in"])


class RateIn(BaseModel):
    """A rate to record."""

    model_config = ConfigDict(extra="forbid")

    base: Annotated[str, Field(pattern=CURRENCY)] = Field(examples=["EUR"])
    quote: Annotated[str, Field(pattern=CURRENCY)] = Field(examples=["USD"])
    rate: Annotated[str, Field(pattern=RATE)] = Field(examples=["1.08"])
    date: Date | None = None


def _one(converter: Converter, value: str, source: str, target: str) -> Any:
    found: list[Conversion] = converter.answer([*value.split(), *source.split(), "to", *target.split()])
    if len(found) != 1:
        raise Invalid("One conversion has one target.", hint="send a batch: POST /convert")
    return found[0].as_json()


@router.get("/convert", statuses=(404,))
def convert(
    db: Db,
    value: Annotated[
        str,
        Query(
            description="`5`, `1e400`, `1,234.5`, `½`, or with units: `5 ft 11 in`",
            min_length=1,
            max_length=2000,
            pattern=PATTERN,
        ),
    ],
    to: Annotated[
        str,
        Query(description="A unit, or several: `lb;oz`", min_length=1, max_length=200, pattern=PATTERN),
    ],
    source: Annotated[
        str, Query(alias="from", description="The unit, where `value` has none", max_length=200)
    ] = "",
    uk: Annotated[bool, Query(description="British gallons, pints, …")] = False,
    delta: Annotated[bool, Query(description="A difference of temperatures")] = False,
    precision: Annotated[int | None, Query(ge=1, le=MAX_DIGITS, description="Significant digits")] = None,
    decimals: Annotated[int | None, Query(ge=0, le=MAX_DIGITS)] = None,
    exact: Annotated[bool, Query(description="A fraction where decimals do not end")] = False,
    date: Annotated[Date | None, Query(description="Currency rates of that day")] = None,
) -> ConversionOut:
    """Convert a value."""
    style = Style(precision, decimals, exact)
    found: ConversionOut = _one(Converter(db, uk=uk, delta=delta, style=style, on=date), value, source, to)
    return found


@router.post("/convert", statuses=(404,))
def convert_batch(db: Db, body: Batch) -> list[ConversionOut]:
    """Convert many values, all or none."""
    style = Style(body.precision, body.decimals, body.exact)
    converter = Converter(db, uk=body.uk, delta=body.delta, style=style, on=body.date)
    return [_one(converter, item.value, item.source, item.target) for item in body.items]


@router.get("/categories")
def list_categories(db: Db) -> list[catalogue.Category]:
    """Every category of units."""
    return catalogue.categories(db)


@router.get("/units")
def list_units(
    db: Db, category: Annotated[str | None, Query(max_length=100, description="Only of this one")] = None
) -> list[catalogue.Listed]:
    """Every unit, or those of one category."""
    names = [category] if category is not None else [c.category for c in catalogue.categories(db)]
    return [row for name in names for row in catalogue.listed(db, name)]


@router.get("/custom-units")
def list_custom(db: Db) -> list[Custom]:
    """The units that users added."""
    return custom.find_all(db)


@router.post("/custom-units", status=201, statuses=(409,))
def add_custom(db: Db, request: web.Request, body: CustomIn) -> Custom:
    """Add a unit."""
    unit = custom.add(db, name=body.name, definition=body.definition.split())
    return web.reply(unit, headers={"Location": f"{request.prefix}/custom-units"})


@router.delete("/custom-units/{name}")
def delete_custom(db: Db, name: Annotated[str, Path(max_length=100, pattern=PATTERN)]) -> None:
    """Remove a unit that a user added."""
    custom.remove(db, name)


@router.get("/rates")
def list_rates(db: Db) -> list[dict[str, Any]]:
    """The recorded currency rates."""
    return [_rate(rate) for rate in custom.find_rates(db)]


@router.post("/rates", status=201)
def add_rate(db: Db, body: RateIn) -> dict[str, Any]:
    """Record a rate from a day on; the same pair and day is replaced."""
    return _rate(custom.add_rate(db, base=body.base, quote=body.quote, value=body.rate, on=body.date))


def _rate(rate: Rate) -> dict[str, Any]:
    return {**rate.as_json(), "date": rate.date.isoformat(), "num": str(rate.num), "den": str(rate.den)}


# -- the form ---------------------------------------------------------------------------------------------


@router.get("/", media_type=HTML, in_schema=False)
def home(request: web.Request) -> web.Reply:
    """The first page."""
    return web.Reply("", 303, {"Location": f"{request.prefix}/length"})


def _page(form: pages.Form) -> None:
    """The two routes of one page."""

    @router.get(f"/{form.path}", media_type=HTML, in_schema=False)
    def show(request: web.Request) -> web.Reply:
        return web.Reply(pages.render(form, request.prefix, {}))

    @router.post(f"/{form.path}", media_type=HTML, consumes=(FORM_TYPE,), in_schema=False)
    def submit(request: web.Request) -> web.Reply:
        return _submit(form, request)


def _submit(form: pages.Form, request: web.Request) -> web.Reply:
    assert request.form is not None
    given = {name: value for name, value in request.form.items if isinstance(value, str)}
    try:
        result = _answer(form, given)
    except HubError as error:
        html = pages.render(form, request.prefix, given, error=(error.message, _hint(error)))
        return web.Reply(html, error.status)
    return web.Reply(pages.render(form, request.prefix, given, result=result))


def _hint(error: HubError) -> str | None:
    """The hint, unless it is about the command line."""
    return None if error.hint is None or "backendhub" in error.hint else error.hint


def _answer(form: pages.Form, given: dict[str, str]) -> str:
    value, source, target = (given.get(name, "") for name in ("value", "from", "to"))
    choices = {unit for unit, _ in form.units}
    if not value.strip():
        raise Invalid(f"Enter a {form.label}.")
    if source not in choices or target not in choices:
        raise Invalid("Choose both units from the lists.")
    # The table alone answers: nothing here needs the store.
    try:
        return Converter(None).answer([*value.split(), source, "to", target])[0].equation()
    except NeedsStore:
        raise Invalid(f"{value.strip()!r} is not a number.") from None


for _form in pages.FORMS:
    _page(_form)
