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
    Check(
        "invoices add up",
        "The total of every invoice is the sum of its lines, less their discounts, plus the taxes on top",
        store.CHECK_LINES,
    ),
    Check(
        "balances are applied once",
        "What is due of an invoice is its total and what it changed of the customer's balance, less what was credited",
        store.CHECK_DUE,
    ),
    Check(
        "paid invoices have their charge",
        "What was paid of an invoice is what its payment intents have brought, unless it was paid elsewhere",
        store.CHECK_INVOICE_PAID,
    ),
    Check(
        "no more is credited than an invoice comes to",
        "What was credited of an invoice is the sum of its credit notes, and not more than its total",
        store.CHECK_CREDITED,
    ),
    Check(
        "credit notes add up",
        "The amount of a credit note is the sum of its lines, and what it takes before and after the payment",
        store.CHECK_CREDIT_NOTES,
    ),
    Check(
        "periods follow each other",
        "The periods of a subscription have no gap and do not overlap",
        store.CHECK_PERIODS,
    ),
    Check("periods are billed once", "Every period has an invoice of its own", store.CHECK_BILLED),
    Check(
        "coupons are not used too often",
        "No coupon or promotion code was redeemed more often than it may be",
        store.CHECK_COUPONS,
    ),
    Check(
        "sessions that are paid have their money",
        "The payment intent of every Checkout Session that is paid has succeeded",
        store.CHECK_SESSIONS,
    ),
)
