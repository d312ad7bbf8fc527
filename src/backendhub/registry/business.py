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
    System(
        "cinema",
        "business",
        "A cinema: films, shows, seats sold once, tickets scanned once; seats.io wire",
        "api jobs",
        settings=(
            Option("cinema.admin", "e-mail address of the first administrator"),
            Option("cinema.admin_password", "password of the first administrator", secret=True),
            Option("cinema.hold_minutes", "how long seats are kept for somebody", "10"),
            Option("cinema.zone", "time zone of the cinema's days", "UTC"),
            Option(
                "cinema.system_secret",
                "lets test suites of clients make companies of their own; unset: nobody may",
                secret=True,
            ),
        ),
    ),
)
