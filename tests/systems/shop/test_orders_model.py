"""Orders against a model in plain Python: whatever is done in whatever order, counts, stock and money agree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from backendhub.kit import checks, reservation
from backendhub.kit.db import Store
from backendhub.kit.errors import HubError
from backendhub.systems.shop import store as statements
from backendhub.systems.shop.models import InsufficientStock
from backendhub.systems.shop.service import checkout, fulfilment, orders, payments, stock

SYSTEM = "shop"
PIECES = 12


class Placed:
    """What the model knows of an order."""

    def __init__(self, id: str, line: str, payment: str, quantity: int, total: int, worth: int) -> None:
        self.id, self.line, self.payment = id, line, payment
        self.quantity, self.total, self.worth = quantity, total, worth
        self.state = "pending"
        self.packed = self.shipped = self.delivered = self.asked = self.back = 0
        self.captured = self.refunded = 0
        self.void = False
        self.parcels: list[list[Any]] = []
        self.returns: list[list[Any]] = []


class Orders(RuleBasedStateMachine):
    """The shop and the model, side by side."""

    store: Store
    build: Callable[..., Any]

    @initialize()
    def begin(self) -> None:
        self.transaction = self.store.transaction()
        self.db = self.transaction.__enter__()
        self.house = type(self).build(self.db, PIECES)
        self.free, self.extra = PIECES, 0
        self.placed: list[Placed] = []
        self.order(4)
        self.order(3)
        self.pack(0, 2)

    def teardown(self) -> None:
        if hasattr(self, "transaction"):
            self.sound()
            stop = RuntimeError("rolled back")
            with contextlib.suppress(RuntimeError):
                self.transaction.__exit__(RuntimeError, stop, None)

    def tries(self, may: bool, what: Callable[[], Any]) -> Any:
        """Does it; the shop must allow exactly what the model allows."""
        try:
            with self.db.savepoint():
                done = what()
        except HubError as error:
            assert not may, error.message
            return None
        assert may
        return done

    def pick(self, n: int) -> Placed | None:
        return self.placed[n % len(self.placed)] if self.placed else None

    @rule(quantity=st.integers(1, 5))
    def order(self, quantity: int) -> None:
        try:
            with self.db.savepoint():
                outcome = checkout.complete(self.db, self.house.cart(self.db, quantity).id)
        except InsufficientStock:
            assert quantity > self.free
            return
        assert outcome.order is not None and quantity <= self.free
        line = orders.items(self.db, outcome.order.id)[0]
        payment = payments.of_order(self.db, outcome.order.id)[0]
        self.free -= quantity
        made = Placed(outcome.order.id, line.id, payment.id, quantity, outcome.order.total, line.total)
        self.placed.append(made)

    @rule(n=st.integers(0, 9))
    def cancel(self, n: int) -> None:
        if (o := self.pick(n)) is None or o.state == "canceled":
            return
        may = o.state == "pending" and not o.packed
        if self.tries(may, lambda: orders.cancel(self.db, o.id)) is not None:
            o.state = "canceled"
            self.free += o.quantity
            o.refunded = o.captured
            o.void = not o.captured

    @rule(n=st.integers(0, 9), verb=st.sampled_from(["complete", "archive"]))
    def move(self, n: int, verb: str) -> None:
        if (o := self.pick(n)) is None:
            return
        may = o.state == {"complete": "pending", "archive": "completed"}[verb]
        if self.tries(may, lambda: getattr(orders, verb)(self.db, o.id)) is not None:
            o.state = {"complete": "completed", "archive": "archived"}[verb]

    @rule(n=st.integers(0, 9), quantity=st.integers(1, 3))
    def pack(self, n: int, quantity: int) -> None:
        if (o := self.pick(n)) is None:
            return
        may = o.state != "canceled" and o.packed + quantity <= o.quantity
        made = self.tries(may, lambda: fulfilment.pack(self.db, o.id, {o.line: quantity}))
        if made is not None:
            o.packed += quantity
            o.parcels.append([made.id, quantity, "packed"])

    @rule(
        n=st.integers(0, 9),
        m=st.integers(0, 9),
        verb=st.sampled_from(["ship", "ship", "ship", "deliver", "deliver", "cancel"]),
    )
    def parcel(self, n: int, m: int, verb: str) -> None:
        if (o := self.pick(n)) is None or not o.parcels:
            return
        parcel = o.parcels[m % len(o.parcels)]
        may = parcel[2] == {"ship": "packed", "deliver": "shipped", "cancel": "packed"}[verb]
        if self.tries(may, lambda: getattr(fulfilment, verb)(self.db, o.id, parcel[0])) is None:
            return
        parcel[2] = {"ship": "shipped", "deliver": "delivered", "cancel": "canceled"}[verb]
        if verb == "ship":
            o.shipped += parcel[1]
        elif verb == "deliver":
            o.delivered += parcel[1]
        else:
            o.packed -= parcel[1]

    @rule(n=st.integers(0, 9), part=st.one_of(st.none(), st.integers(1, 9000)))
    def capture(self, n: int, part: int | None) -> None:
        if (o := self.pick(n)) is None:
            return
        wanted = o.total - o.captured if part is None else part
        may = o.state != "canceled" and 0 < wanted <= o.total - o.captured
        if self.tries(may, lambda: payments.capture(self.db, o.payment, part)) is not None:
            o.captured += wanted

    @rule(n=st.integers(0, 9), part=st.one_of(st.none(), st.integers(1, 9000)))
    def refund(self, n: int, part: int | None) -> None:
        if (o := self.pick(n)) is None:
            return
        wanted = o.captured - o.refunded if part is None else part
        may = 0 < wanted <= o.captured - o.refunded
        if self.tries(may, lambda: payments.refund(self.db, o.payment, part)) is not None:
            o.refunded += wanted

    @rule(n=st.integers(0, 9), quantity=st.integers(1, 2))
    def ask_back(self, n: int, quantity: int) -> None:
        if (o := self.pick(n)) is None:
            return
        may = o.asked + o.back + quantity <= o.shipped
        asked = [{"item": o.line, "quantity": quantity}]
        made = self.tries(may, lambda: fulfilment.ask_back(self.db, o.id, asked))
        if made is not None:
            o.asked += quantity
            o.returns.append([made.id, quantity, "requested", made.refund])

    @rule(n=st.integers(0, 9), m=st.integers(0, 9), receive=st.booleans())
    def returned(self, n: int, m: int, receive: bool) -> None:
        if (o := self.pick(n)) is None or not o.returns:
            return
        back = o.returns[m % len(o.returns)]
        verb = fulfilment.receive if receive else fulfilment.cancel_return
        if self.tries(back[2] == "requested", lambda: verb(self.db, back[0])) is None:
            return
        o.asked -= back[1]
        back[2] = "received" if receive else "canceled"
        if receive:
            o.back += back[1]
            self.free += back[1]
            self.extra += back[1]
            o.refunded += min(back[3], o.captured - o.refunded)

    @rule(quantity=st.integers(-5, 5))
    def restock(self, quantity: int) -> None:
        may = self.free + quantity >= 0
        place = self.house.place.id
        if self.tries(may, lambda: stock.adjust(self.db, self.house.variant, place, quantity)) is not None:
            self.free += quantity

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "house"):
            return
        level = reservation.stock(self.db, self.house.variant.id, self.house.place.id)
        assert level.free == self.free
        assert level.sold == sum(o.quantity - o.shipped for o in self.placed if o.state != "canceled")
        for o in self.placed:
            full = orders.full(self.db, orders.get(self.db, o.id))
            line, payment = full.items[0], full.payments[0]
            assert full.order.state == o.state
            assert (line.fulfilled, line.shipped, line.delivered) == (o.packed, o.shipped, o.delivered)
            assert (line.return_requested, line.returned) == (o.asked, o.back)
            assert (payment.captured, payment.refunded) == (o.captured, o.refunded)
            assert (payment.canceled_at is not None) == o.void
        if (
            self.db.dialect == "sqlite"
        ):  # each step there; on PostgreSQL, which is asked over a socket, at the end
            self.sound()

    def sound(self) -> None:
        """Every invariant holds."""
        report = checks.run(self.db, [*reservation.CHECKS, *statements.CHECKS])
        assert report.ok, [c for c in report.checks if not c.ok]


@pytest.mark.parametrize("examples", [12])
def test_orders_are_what_the_model_says(store: Store, tools: Any, examples: int) -> None:
    store.use("shop")
    machine = type("Machine", (Orders,), {"store": store, "build": staticmethod(tools.build)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
