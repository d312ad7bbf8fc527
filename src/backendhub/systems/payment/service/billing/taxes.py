"""Tax rates."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, missing
from backendhub.systems.payment.models import Json

RATE = resources.declare(
    resources.Resource("tax_rate", "txr", "/v1/tax_rates", index=("active", "inclusive"))
)
DEFAULTS: Json = {
    "active": True,
    "country": None,
    "description": None,
    "effective_percentage": None,
    "flat_amount": None,
    "jurisdiction": None,
    "jurisdiction_level": None,
    "rate_type": "percentage",
    "state": None,
    "tax_type": None,
}


def create(db: Db, params: Json) -> Json:
    """Make a tax rate."""
    percent = Fraction(params["percentage"])
    if not 0 <= percent <= 100:
        raise ApiError("Invalid percentage: it is between 0 and 100.", param="percentage")
    told = int(percent) if percent.denominator == 1 else float(percent)
    made = objects.make(db, "tax_rate", DEFAULTS | params | {"percentage": told})
    events.emit(db, "tax_rate.created", made)
    return made


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a tax rate; its percentage stays."""
    old = objects.get(db, "tax_rate", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "tax_rate.updated", old, fresh)
    return fresh


def rates(db: Db, ids: Iterable[str] | None, *, param: str = "tax_rates") -> list[Json]:
    """Active tax rates by id. Raises ApiError."""
    wanted = list(ids or ())
    found = objects.many(db, "tax_rate", wanted)
    for n, id in enumerate(wanted):
        if id not in found:
            raise missing("tax_rate", id, f"{param}[{n}]")
        if not found[id]["active"]:
            raise ApiError(f"The tax rate {id} is not active.", param=f"{param}[{n}]")
    return [found[id] for id in wanted]
