"""Prices: by currency and region, from a quantity on, and lists that hold for a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.money import LIMIT, currency
from backendhub.systems.shop import store
from backendhub.systems.shop.models import NoPrice, Price, Priced, PriceList, Variant

from .naming import new, stamps


def put(
    db: Db,
    variant_id: str,
    *,
    currency_code: str,
    amount: int,
    region_id: str | None = None,
    price_list_id: str | None = None,
    min_quantity: int = 1,
) -> Price:
    """Says what a variant costs; the price for the same case before is replaced. Raises Invalid."""
    if not 0 <= amount <= LIMIT:
        raise Invalid("A price is not negative.", field="amount")
    if min_quantity < 1:
        raise Invalid("A price is for one piece or more.", field="min_quantity")
    made = db.one(
        Price,
        store.PUT_PRICE,
        id=new("price"),
        variant_id=variant_id,
        price_list_id=price_list_id,
        region_id=region_id,
        currency=currency(currency_code),
        min_quantity=min_quantity,
        amount=amount,
    )
    assert made is not None
    return made


def of(db: Db, variant_ids: Iterable[str]) -> dict[str, list[Price]]:
    """Every price of some variants."""
    ids = list(dict.fromkeys(variant_ids))
    found: dict[str, list[Price]] = {id: [] for id in ids}
    if ids:
        for price in db.all(Price, store.prices_by_variant(db), ids=ids):
            found[price.variant_id].append(price)
    return found


def lists(db: Db) -> dict[str, PriceList]:
    """Every price list by its id."""
    return {found.id: found for found in db.all(PriceList, store.PRICE_LISTS)}


def active(found: PriceList, now: datetime) -> bool:
    """Whether a list's prices count now."""
    return (
        found.status == "active"
        and (found.starts_at is None or found.starts_at <= now)
        and (found.ends_at is None or now < found.ends_at)
    )


def pick(
    prices: Sequence[Price],
    known: dict[str, PriceList],
    *,
    currency: str,
    region_id: str | None,
    quantity: int = 1,
) -> Priced | None:
    """The price that counts: that of the region before that of the currency, the one for most pieces, and of lists the
    lowest; a sale only where it is lower."""
    now = clock.precise()
    fit = [
        p
        for p in prices
        if p.currency == currency and p.min_quantity <= quantity and p.region_id in (None, region_id)
    ]

    def rank(p: Price) -> tuple[bool, int, int]:
        return p.region_id is not None, p.min_quantity, -p.amount

    base = max((p for p in fit if p.price_list_id is None), key=rank, default=None)
    listed = [p for p in fit if p.price_list_id in known and active(known[p.price_list_id or ""], now)]
    special = min(listed, key=lambda p: (p.amount, p.id), default=None)
    if special is None:
        return Priced(base.amount, base.amount, base) if base else None
    kind = known[special.price_list_id or ""].type
    if base is None or kind == "override":
        return Priced(special.amount, special.amount, special, kind)
    if special.amount >= base.amount:
        return Priced(base.amount, base.amount, base)
    return Priced(special.amount, base.amount, special, kind)


def price(db: Db, variant: Variant, *, currency: str, region_id: str | None, quantity: int = 1) -> Priced:
    """What a variant costs now. Raises NoPrice."""
    return fitting(of(db, [variant.id])[variant.id], lists(db), variant, currency, region_id, quantity)


def fitting(
    prices: Sequence[Price],
    known: dict[str, PriceList],
    variant: Variant,
    currency: str,
    region_id: str | None,
    quantity: int,
) -> Priced:
    """The price that counts. Raises NoPrice where there is none."""
    found = pick(prices, known, currency=currency, region_id=region_id, quantity=quantity)
    if found is None:
        raise NoPrice(f"{variant.title} is not sold in {currency}.", variant=variant.id)
    return found


# -- price lists -------------------------------------------------------------------------------------------


def add_list(
    db: Db,
    *,
    title: str,
    description: str = "",
    type: str = "sale",
    status: str = "active",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> PriceList:
    """Makes a price list. Raises Invalid."""
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise Invalid("A price list ends after it starts.", field="ends_at")
    return db.insert(
        PriceList,
        "shop_price_list",
        id=new("plist"),
        title=title,
        description=description,
        type=type,
        status=status,
        starts_at=starts_at,
        ends_at=ends_at,
        **stamps(),
    )


def get_list(db: Db, id: str) -> PriceList:
    """A price list. Raises NotFound."""
    found = db.one(PriceList, store.PRICE_LIST, id=id)
    if found is None:
        raise NotFound(f"There is no price list {id[:80]}.")
    return found


def edit_list(db: Db, id: str, changes: dict[str, Any]) -> PriceList:
    """Changes a price list. Raises NotFound."""
    get_list(db, id)
    made = db.update(PriceList, "shop_price_list", id, **changes, updated_at=clock.precise())
    assert made is not None
    return made


def remove_list(db: Db, id: str) -> None:
    """Removes a price list and its prices. Raises NotFound."""
    get_list(db, id)
    db.run(store.CLEAR_LIST, id=id)
    db.run(store.DELETE_PRICE_LIST, id=id)


def prices_of_lists(db: Db, ids: Sequence[str]) -> dict[str, list[Price]]:
    """The prices in each of some lists."""
    found: dict[str, list[Price]] = {id: [] for id in ids}
    for each in db.all(Price, store.prices_by_list(db), ids=list(ids)) if found else ():
        found[each.price_list_id or ""].append(each)
    return found
