"""Listings: what the statements of each cost, and that pages fit together."""

from __future__ import annotations

import re
from typing import Any

import pytest

from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.systems.shop.service import carts, catalogue, categories, customers, orders, promotions

SYSTEM = "shop"
NARROW: dict[str, list[str]] = {
    "id": ["prod_1", "prod_2"],
    "handle": ["mug"],
    "collection_id": ["pcol_1"],
    "category_id": ["pcat_1"],
    "tag": ["gift"],
}
SORTS = ("", "created_at", "-created_at", "title", "-title", "updated_at", "-updated_at")


def plans(db: Db, monkeypatch: pytest.MonkeyPatch, call: Any) -> list[tuple[str, list[str]]]:
    """How SQLite goes about each statement that a call runs."""
    known = type(db).fetch
    asked: list[tuple[str, Any]] = []

    def noted(self: Any, sql: str, params: Any) -> Any:
        asked.append((sql, params))
        return known(self, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(type(db), "fetch", noted)
        call(db)
    return [(sql, [row[3] for row in db.fetch("EXPLAIN QUERY PLAN " + sql, params)]) for sql, params in asked]


def whole(steps: list[str]) -> list[str]:
    """The steps that read a whole table, or sort what they read."""
    read = [s for s in steps if re.match(r"SCAN (p|shop_\w+|reservation_\w+)\b", s) and "COVERING" not in s]
    return [s for s in read if "VIRTUAL" not in s] + [s for s in steps if "TEMP B-TREE FOR ORDER" in s]


def test_products_are_listed_by_an_index(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(db: Db, order: str, public: bool) -> None:
        def find(**about: Any) -> list[list[str]]:
            call = lambda db: catalogue.find(db, order=order, public=public, offset=50, **about)  # noqa: E731
            return [steps for _, steps in plans(db, monkeypatch, call)]

        assert [bad for steps in find() if (bad := whole(steps))] == [], (order, public)
        if not public:
            drafts = find(conditions={"status": ["draft"]})
            assert [bad for steps in drafts if (bad := whole(steps))] == [], order
        for name, values in NARROW.items():
            for steps in find(conditions={name: values}):
                text = "; ".join(steps)
                assert not re.search(r"SCAN (p|shop_(?!category\b)\w+)\b", text), (name, text)
                assert "shop_product_status" not in text, (name, text)  # the published ones are nearly all
        for steps in find(q="mug"):
            text = "; ".join(steps)
            assert not re.search(r"SCAN (p|d|shop_\w+)\b(?! VIRTUAL)", text), text
            assert "shop_product_status" not in text, text

    for order in SORTS:
        hub.unit(look, order, True)
        hub.unit(look, order, False)


def test_other_things_are_listed_by_an_index(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {
        "orders": lambda db: orders.find(db, limit=20, offset=1000),
        "one's orders": lambda db: orders.of_customer(db, "cus_1", limit=20, offset=1000),
        "customers": lambda db: customers.find(db, limit=20, offset=1000),
        "variants": lambda db: catalogue.every_variant(db, limit=20, offset=1000),
        "promotions": lambda db: promotions.find(db, limit=20, offset=1000),
        "open cart": lambda db: carts.current(db, "cus_1"),
        "addresses": lambda db: customers.addresses(db, "cus_1"),
    }

    def look(db: Db) -> None:
        for name, call in calls.items():
            for sql, steps in plans(db, monkeypatch, call):
                bad = [s for s in whole(steps) if "shop_promotion USING INDEX" not in s]
                assert bad == [], (name, sql, steps)
                if "OFFSET" in sql and name != "promotions":  # what is passed over is not read
                    assert all("COVERING" in s for s in steps), (name, steps)

    hub.unit(look)


def test_pages_fit_together(db: Db, house: Any) -> None:
    gifts = categories.add(db, name="Gifts")
    for n in range(7):
        catalogue.add(
            db,
            title=f"Gift {n * 3 % 7}",
            status="published" if n < 5 else "draft",
            category_ids=[gifts.id] if n % 2 else [],
            tags=["für dich"] if n % 2 else ["Für Dich"],
        )

    def pages(size: int = 2, **about: Any) -> tuple[list[str], set[int]]:
        found = [catalogue.find(db, limit=size, offset=at, **about) for at in range(0, 10, size)]
        return [p.title for each in found for p in each.products], {each.total for each in found}

    for order, first in (("title", "Gift 0"), ("-title", "Mug"), ("created_at", "Mug"), ("", "Gift 5")):
        titles, totals = pages(order=order)
        assert (titles[0], len(set(titles)), totals) == (first, 6, {6}), order
    assert pages(order="title", public=False)[1] == {8}
    assert pages(conditions={"tag": ["für dich"]}) == (["Gift 2", "Gift 3"], {2})
    assert pages(conditions={"tag": ["für dich", "Für Dich"]})[1] == {5}
    assert pages(conditions={"category_id": [gifts.id]}, order="-title") == (["Gift 3", "Gift 2"], {2})
    assert pages(conditions={"category_id": [gifts.id], "tag": ["nothing"]}) == ([], {0})
    assert pages(q="gift")[1] == {5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backendhub.systems.shop.service.catalogue.total", lambda *_: None)
        assert pages(order="title")[1] == {6}  # counted, it is as many


def test_a_page_of_orders_costs_as_much_as_one(db: Db, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backendhub.systems.shop.service import checkout, payments

    made = [checkout.complete(db, house.cart(db).id).order for _ in range(4)]
    for each in made[:2]:
        payment = payments.of_order(db, each.id)[0].id
        payments.capture(db, payment)
        payments.refund(db, payment, 100)
        payments.refund(db, payment, 200)
    assert [o.id for o in orders.find(db)[0]] == [o.id for o in reversed(made)]
    mine = orders.of_customer(db, made[0].customer_id, limit=3, offset=1)
    assert ([o.id for o in mine[0]], mine[1]) == ([o.id for o in reversed(made[:3])], 4)
    full = orders.fulls(db, orders.find(db)[0])
    assert [f.refunded for f in full] == [0, 0, 300, 300]
    assert [[r.amount for r in f.refunds] for f in full] == [[], [], [100, 200], [100, 200]]
    known, count = type(db).fetch, []
    monkeypatch.setattr(type(db), "fetch", lambda self, *a: count.append(1) or known(self, *a))
    orders.fulls(db, orders.find(db, limit=1)[0])
    one = len(count)
    orders.fulls(db, orders.find(db)[0])
    assert len(count) <= 2 * one  # a page that is not full is not counted
