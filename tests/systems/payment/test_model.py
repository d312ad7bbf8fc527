"""Payment intents against a model of a few lines: whatever Hypothesis does to both, they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backendhub.kit import checks, ledger
from backendhub.kit.db import Store, connect
from backendhub.systems.payment import invariants, objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.service import charging, confirming, intents, money, refunding

CARDS = {"visa": "ok", "chargeDeclined": "no", "authenticationRequired": "ask"}
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


@dataclass
class Model:
    amount: int
    manual: bool
    status: str = "requires_payment_method"
    card: str = ""
    capturable: int = 0
    received: int = 0
    refunded: int = 0

    def paid(self) -> None:
        if self.manual:
            self.status, self.capturable = "requires_capture", self.amount
        else:
            self.status, self.received = "succeeded", self.amount

    def refused(self) -> None:
        self.status, self.card = "requires_payment_method", ""

    def confirm(self, card: str) -> str:
        card = card or self.card
        if self.status not in OPEN or not card:
            return "error"
        self.card = card
        if CARDS[card] == "no":
            self.refused()
            return "declined"
        if CARDS[card] == "ask":
            self.status = "requires_action"
        else:
            self.paid()
        return "fine"

    def answer(self, success: bool) -> str:
        if self.status != "requires_action":
            return "error"
        self.paid() if success else self.refused()
        return "fine"

    def give(self, card: str) -> str:
        if self.status not in OPEN:
            return "error"
        self.status, self.card = "requires_confirmation", card
        return "fine"

    def capture(self, amount: int) -> str:
        if self.status != "requires_capture" or not 50 <= amount <= self.capturable:
            return "error"
        self.status, self.received, self.capturable = "succeeded", amount, 0
        return "fine"

    def increment(self, amount: int) -> str:
        if self.status != "requires_capture" or amount <= self.amount:
            return "error"
        self.amount = self.capturable = amount
        return "fine"

    def cancel(self) -> str:
        if self.status not in (*OPEN, "requires_capture"):
            return "error"
        self.status, self.capturable = "canceled", 0
        return "fine"

    def refund(self, amount: int) -> str:
        if self.status != "succeeded" or not 1 <= amount <= self.received - self.refunded:
            return "error"
        self.refunded += amount
        return "fine"


AMOUNTS = st.integers(50, 400)


def machine(store: Store) -> type[RuleBasedStateMachine]:
    class Payments(RuleBasedStateMachine):
        made = Bundle("made")

        def __init__(self) -> None:
            super().__init__()
            self.models: dict[str, Model] = {}

        def both(self, expected: str, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
            def unit(db: Any) -> str:
                try:
                    with db.savepoint():
                        try:
                            fn(db, *args, **kwargs)
                        except CardError:
                            return "declined"
                except ApiError:
                    return "error"
                return "fine"

            assert store.unit(unit) == expected

        @rule(target=made, amount=AMOUNTS, manual=st.booleans())
        def create(self, amount: int, manual: bool) -> str:
            about = {
                "amount": amount,
                "currency": "usd",
                "capture_method": "manual" if manual else "automatic",
            }
            id = str(store.unit(intents.create, about)["id"])
            self.models[id] = Model(amount, manual)
            return id

        @rule(id=made, card=st.sampled_from(["", *CARDS]))
        def confirm(self, id: str, card: str) -> None:
            params = {"payment_method": f"pm_card_{card}"} if card else {}
            self.both(self.models[id].confirm(card), confirming.confirm, id, params)

        @rule(id=made, card=st.sampled_from([*CARDS]))
        def give(self, id: str, card: str) -> None:
            self.both(self.models[id].give(card), intents.edit, id, {"payment_method": f"pm_card_{card}"})

        @rule(id=made, success=st.booleans())
        def answer(self, id: str, success: bool) -> None:
            self.both(self.models[id].answer(success), confirming.answered, id, success=success)

        @rule(id=made, amount=AMOUNTS)
        def capture(self, id: str, amount: int) -> None:
            self.both(self.models[id].capture(amount), intents.capture, id, {"amount_to_capture": amount})

        @rule(id=made, amount=AMOUNTS)
        def increment(self, id: str, amount: int) -> None:
            self.both(self.models[id].increment(amount), intents.increment, id, {"amount": amount})

        @rule(id=made)
        def cancel(self, id: str) -> None:
            self.both(self.models[id].cancel(), intents.cancel, id, {})

        @rule(id=made, amount=st.integers(1, 400))
        def refund(self, id: str, amount: int) -> None:
            self.both(
                self.models[id].refund(amount), refunding.create, {"payment_intent": id, "amount": amount}
            )

        @invariant()
        def they_agree(self) -> None:
            store.read(self.look)

        def look(self, db: Any) -> None:
            for id, model in self.models.items():
                found = objects.get(db, "payment_intent", id)
                told = (
                    found["status"],
                    found["amount"],
                    found["amount_capturable"],
                    found["amount_received"],
                )
                assert told == (model.status, model.amount, model.capturable, model.received)
                if model.received:
                    assert charging.totals(db, found["latest_charge"]).refunded == model.refunded

        def teardown(self) -> None:
            held = sum(m.received - m.refunded for m in self.models.values())
            report = store.read(checks.run, [*ledger.CHECKS, *invariants.CHECKS], {"book": money.BOOK})
            assert [c for c in report.checks if not c.ok] == []
            network = store.unit(money.balance_of, "network", "USD")
            assert network - before[0] == held
            before[0] = network

    before = [0]
    return Payments


@contextmanager
def fresh(url: str) -> Iterator[Store]:
    made = connect(url)
    made.use("payment")
    yield made
    made.close()


@pytest.mark.parametrize("examples", [12])
def test_payments_are_what_the_model_says(store_url: str, engine: str, examples: int) -> None:
    with fresh(store_url) as store:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            machine(store),
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            ),
        )
