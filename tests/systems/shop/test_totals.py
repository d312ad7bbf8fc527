"""What a cart costs, for carts and promotions of all kinds: the parts always add up to the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.systems.shop.models import Promotion
from backendhub.systems.shop.service import fulfilment
from backendhub.systems.shop.service.totals import Amounts, Line, Totals, work_out

AT = datetime(2026, 1, 5, tzinfo=UTC)
PRODUCTS = ("cup", "bowl", "robe")


def promotion(n: int, **about: Any) -> Promotion:
    nothing = {"percent": None, "amount": None, "currency": None, "products": [], "min_subtotal": 0}
    values: dict[str, Any] = {"id": f"promo_{n}", "code": f"C{n}", "automatic": False, "label": "", **nothing}
    values |= {"status": "active", "starts_at": None, "ends_at": None, "usage_limit": None, "used": 0}
    return Promotion(**values | {"created_at": AT, "updated_at": AT} | about)


@st.composite
def promotions(draw: Any) -> list[Promotion]:
    made = []
    for n in range(draw(st.integers(0, 4))):
        about: dict[str, Any] = {"kind": draw(st.sampled_from(["percentage", "fixed", "free_shipping"]))}
        if about["kind"] == "percentage":
            about["percent"] = draw(st.sampled_from(["0.01", "5", "33.3333", "50", "99.99", "100"]))
        elif about["kind"] == "fixed":
            about |= {
                "amount": draw(st.integers(1, 10**7)),
                "currency": draw(st.sampled_from(["USD", "EUR"])),
            }
        about["products"] = draw(st.lists(st.sampled_from(PRODUCTS), max_size=2, unique=True))
        about["min_subtotal"] = draw(st.sampled_from([0, 0, 500, 10**6]))
        made.append(promotion(n, **about))
    return made


LINES = st.lists(
    st.tuples(st.sampled_from(PRODUCTS), st.integers(1, 40), st.integers(0, 10**6), st.booleans()), max_size=8
).map(lambda rows: [Line(f"line_{n}", *row) for n, row in enumerate(rows)])


@settings(max_examples=100)
@given(
    lines=LINES,
    shipping=st.integers(0, 5000),
    found=promotions(),
    rate=st.sampled_from(["0", "6.5", "7.7", "19", "100", "33.333333"]),
    inclusive=st.booleans(),
)
def test_the_parts_add_up(
    lines: list[Line], shipping: int, found: list[Promotion], rate: str, inclusive: bool
) -> None:
    seen = work_out("USD", lines, shipping, found, rate=rate, inclusive=inclusive)
    each = [*seen.lines.values(), seen.shipping]
    prices = [*(line.unit_price * line.quantity for line in lines), shipping]
    assert len(each) == len(prices)
    for worked, price in zip(each, prices, strict=True):
        _one(worked, price, inclusive)
    assert seen.total == sum(a.total for a in each)
    assert seen.total == seen.items_subtotal + seen.shipping.subtotal - seen.discount + seen.tax
    _what_promotions_say(seen, lines, shipping)
    for line in lines:  # shares of what is sent back, piece by piece, are what was paid
        item: Any = SimpleNamespace(total=seen.lines[line.id].total, quantity=line.quantity)
        shares = [fulfilment.worth(item, n, 1) for n in range(line.quantity)]
        assert sum(shares) == item.total and max(shares) - min(shares) <= 1


def _one(worked: Amounts, price: int, inclusive: bool) -> None:
    taken = sum(a.amount for a in worked.adjustments)
    assert all(a.amount > 0 for a in worked.adjustments) and taken <= price
    assert worked.total == worked.subtotal - worked.discount + worked.tax
    assert 0 <= worked.tax <= worked.total <= worked.original
    assert 0 <= worked.discount <= worked.subtotal
    if inclusive:
        assert (worked.original, worked.total) == (price, price - taken)
    else:
        assert (worked.subtotal, worked.discount) == (price, taken)


def _what_promotions_say(seen: Totals, lines: list[Line], shipping: int) -> None:
    """What a promotion takes off is what it takes off the lines, and never off another product or currency."""
    at = {line.id: line for line in lines}
    for off in seen.applied:
        here = {
            id: a.amount
            for id, worked in seen.lines.items()
            for a in worked.adjustments
            if a.promotion is off.promotion
        }
        if off.promotion.kind == "free_shipping":
            assert not here and off.amount == shipping
            continue
        assert sum(here.values()) == off.amount
        assert off.promotion.currency in (None, "USD") and off.amount <= (off.promotion.amount or off.amount)
        for id in here:
            assert at[id].discountable
            assert not off.promotion.products or at[id].product_id in off.promotion.products
