"""Money, commerce and reservations."""

from __future__ import annotations

from .rows import Option, System

ROWS: tuple[System, ...] = (
    System(
        "bank",
        "business",
        "A bank: accounts, payments, standing orders, statements; Open Banking UK",
        "api jobs",
        settings=(
            Option(
                "bank.verify",
                "add the whole ledger up before the first request",
                "false",
                flag="verify",
            ),
        ),
    ),
)
