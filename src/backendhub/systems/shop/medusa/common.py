"""What all of Medusa's shapes share: amounts in major units, pages, fields, query strings as `qs` writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from backendhub.kit import money, web
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money

Any_ = dict[str, Any]
Number = Annotated[Decimal, Field(ge=0, le=10**11, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
Long = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
Limit = Annotated[int, Query(ge=0, le=1000, description="Rows in a page")]
Offset = Annotated[int, Query(ge=0, le=10**9, description="Rows before the page")]


class Body(BaseModel):
    """What a client sends; members that are not known are left aside."""


def number(minor: int, currency: str) -> int | float:
    """An amount as Medusa writes it: a JSON number of major units. The nearest double says every such amount exactly."""
    value = money.to_number(Money(minor, currency))
    return value if isinstance(value, int) else float(value)


def minor(amount: Decimal, currency: str) -> int:
    """An amount as Medusa writes it, in minor units. Raises Invalid for more decimals than the currency has."""
    return money.from_decimal(amount, currency).minor


def stamp(moment: datetime | None) -> str | None:
    """A time as JavaScript writes it."""
    if moment is None:
        return None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def page(name: str, rows: list[Any], count: int, limit: int, offset: int) -> Any_:
    """A page of a listing."""
    return {name: rows, "count": count, "offset": offset, "limit": limit}


def listed(request: web.Request) -> dict[str, list[str]]:
    """The query with its lists: `id=a`, `id[]=a&id[]=b`, `id[0]=a&id[1]=b`, and `id[$in][0]=a` say the same."""
    found: dict[str, list[str]] = {}
    for name, value in request.pairs():
        if "\x00" in value:
            raise Invalid("A parameter holds a NUL.")
        found.setdefault(re.sub(r"(\[(\d*|\$in)\])+$", "", name), []).append(value)
    return found


def one(query: Mapping[str, list[str]], name: str) -> str | None:
    """The first value of a parameter."""
    return next(iter(query.get(name, ())), None)


def chosen(request: web.Request, thing: Any_) -> Any_:
    """Only the fields that `fields=id,title` names at the top, where it names any without `+`, `-` or `*` before it."""
    text = one(listed(request), "fields")
    if not text:
        return thing
    names = [n.strip() for n in text.split(",") if n.strip()]
    plain = {n.split(".")[0] for n in names if n[0] not in "+-*"}
    away = {n[1:] for n in names if n[0] == "-"}
    if plain:
        plain |= {n[1:].split(".")[0] for n in names if n[0] in "+*"} | {"id"}
        return {k: v for k, v in thing.items() if k in plain}
    return {k: v for k, v in thing.items() if k not in away}
