"""Promotions: codes and automatic ones, with limits that hold under any number of buyers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.money import LIMIT, currency, ratio
from backendhub.systems.shop import store
from backendhub.systems.shop.models import Promotion, PromotionRefused

from .naming import new, stamps, total

MAX_CODES = 10


def add(
    db: Db,
    *,
    code: str,
    kind: str,
    percent: str | None = None,
    amount: int | None = None,
    currency_code: str | None = None,
    automatic: bool = False,
    min_subtotal: int = 0,
    products: Sequence[str] = (),
    label: str = "",
    status: str = "active",
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    usage_limit: int | None = None,
) -> Promotion:
    """Makes a promotion: a `percentage` with its percent, a `fixed` amount of a currency, or `free_shipping`.

    Raises Invalid, Conflict for a code that is taken.
    """
    if kind == "percentage":
        if percent is None or not 0 < ratio(percent) <= 100:
            raise Invalid("A percentage is above 0 and at most 100.", field="value")
        amount = currency_code = None
    elif kind == "fixed":
        if amount is None or not 0 < amount <= LIMIT or currency_code is None:
            raise Invalid("A fixed promotion has an amount and a currency.", field="value")
        currency_code, percent = currency(currency_code), None
    else:
        percent = amount = currency_code = None
    return db.insert(
        Promotion,
        "shop_promotion",
        id=new("promo"),
        code=code,
        automatic=automatic,
        kind=kind,
        percent=percent,
        amount=amount,
        currency=currency_code,
        min_subtotal=min_subtotal,
        products=list(products),
        label=label or code,
        status=status,
        starts_at=starts_at,
        ends_at=ends_at,
        usage_limit=usage_limit,
        used=0,
        **stamps(),
    )


def get(db: Db, id: str) -> Promotion:
    """A promotion. Raises NotFound."""
    found = db.one(Promotion, store.PROMOTION, id=id)
    if found is None:
        raise NotFound(f"Promotion with id: {id[:80]} was not found")
    return found


def find(db: Db, *, limit: int, offset: int) -> tuple[list[Promotion], int]:
    """A page of promotions, the oldest first, and how many there are."""
    found = db.all(Promotion, store.PROMOTIONS, limit=limit, offset=offset)
    many = total(len(found), limit, offset)
    return found, int(db.value(store.COUNT_PROMOTIONS)) if many is None else many


def edit(db: Db, id: str, changes: dict[str, Any]) -> Promotion:
    """Changes status, label, times or limit. Raises NotFound, Invalid (a limit below what is used)."""
    get(db, id)
    made = db.update(Promotion, "shop_promotion", id, **changes, updated_at=clock.precise())
    assert made is not None
    return made


def remove(db: Db, id: str) -> None:
    """Removes a promotion that no order has used. Raises NotFound, Conflict."""
    if get(db, id).used:
        raise Conflict("Orders have used it.", hint="make it inactive instead")
    db.run(store.DELETE_PROMOTION, id=id)


def usable(promotion: Promotion, now: datetime) -> bool:
    """Whether it counts now and is not used up."""
    return (
        promotion.status == "active"
        and (promotion.starts_at is None or promotion.starts_at <= now)
        and (promotion.ends_at is None or now < promotion.ends_at)
        and (promotion.usage_limit is None or promotion.used < promotion.usage_limit)
    )


def by_code(db: Db, codes: Iterable[str]) -> dict[str, Promotion]:
    """The promotions with these codes that can be used now."""
    wanted = list(dict.fromkeys(codes))
    now = clock.precise()
    found = db.all(Promotion, store.promotions_by_code(db), codes=wanted) if wanted else []
    return {p.code: p for p in found if usable(p, now) and not p.automatic}


def for_cart(db: Db, codes: Sequence[str]) -> list[Promotion]:
    """What is taken off a cart with these codes: automatic ones first, then codes in the order they were given."""
    now = clock.precise()
    automatic = [p for p in db.all(Promotion, store.AUTOMATIC) if usable(p, now)]
    named = by_code(db, codes)
    return [*automatic, *(named[code] for code in dict.fromkeys(codes) if code in named)]


def checked(db: Db, codes: Sequence[str]) -> list[str]:
    """Codes that can be used. Raises PromotionRefused naming those that cannot."""
    wanted = list(dict.fromkeys(codes))
    if len(wanted) > MAX_CODES:
        raise PromotionRefused(f"A cart takes at most {MAX_CODES} codes.")
    known = by_code(db, wanted)
    if bad := [code for code in wanted if code not in known]:
        raise PromotionRefused(f"The promotion code {', '.join(bad)[:200]} is invalid", codes=bad)
    return wanted


def use(db: Db, promotions: Iterable[Promotion], order_id: str) -> None:
    """Counts a use of each for an order. Raises PromotionRefused where somebody had the last one."""
    now = clock.precise()
    for promotion in sorted(promotions, key=lambda p: p.id):
        if not db.run(store.USE_PROMOTION, id=promotion.id, now=now):
            raise PromotionRefused(
                f"The promotion {promotion.code} is used up or over.", codes=[promotion.code]
            )
        db.run(store.ADD_USE, promotion_id=promotion.id, order_id=order_id)


def give_back(db: Db, order_id: str) -> None:
    """An order that is cancelled has used nothing."""
    db.run(store.GIVE_PROMOTION_BACK, order_id=order_id)
    db.run(store.CLEAR_USES, order_id=order_id)
