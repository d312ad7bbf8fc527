"""The invariants of payments: each is a SELECT of what breaks it."""

from __future__ import annotations

from backendhub.kit.checks import Check

from . import store

CHECKS = (
    Check(
        "no more is captured than authorised, nor refunded than captured",
        "0 <= refunded <= captured <= authorized for every charge",
        store.CHECK_CHARGED,
    ),
    Check(
        "refunds add up",
        "What was refunded of a charge is the sum of its refunds that have not failed or been canceled",
        store.CHECK_REFUNDS,
    ),
    Check(
        "the ledger has every capture",
        "What was captured of a charge is what the ledger moved for it",
        store.CHECK_CAPTURES,
    ),
    Check("the ledger has every refund", "Every refund moved money in the ledger", store.CHECK_REFUND_MOVES),
    Check(
        "one charge that succeeded for each intent",
        "No payment intent has two charges that were captured",
        store.CHECK_TWICE,
    ),
    Check(
        "intents that succeeded are paid",
        "Every payment intent that succeeded has a charge with something captured",
        store.CHECK_PAID,
    ),
    Check(
        "every change is told",
        "Every event is in the outbox, as long as that keeps it",
        store.CHECK_EVENTS,
    ),
)
