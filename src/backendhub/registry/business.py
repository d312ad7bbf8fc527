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
    System(
        "shop",
        "business",
        "A shop that cannot oversell: catalogue, carts, orders; Medusa Store API, UCP checkout",
        "api jobs",
        settings=(
            Option("shop.title", "What the storefront is called", "Shop"),
            Option("shop.publishable_key", "publishable key to accept; one is made where none is set"),
            Option(
                "shop.stripe_url", "Stripe wire to pay through: https://api.stripe.com, or `serve payment`"
            ),
            Option("shop.stripe_key", "secret key for it", secret=True),
            Option("shop.ucp_shop_id", "the shop's id for payment handlers of UCP", "shop"),
            Option(
                "shop.ucp_address_book",
                "agents see the addresses of a guest whom they name by e-mail address",
                "false",
            ),
            Option(
                "shop.simulation_secret",
                "lets agents test: mock payment handlers and `/testing/…`, behind this secret",
                secret=True,
                flag="simulation-secret",
                metavar="TEXT",
            ),
        ),
    ),
    System(
        "payment",
        "business",
        "Stripe you can unplug: payments, Checkout, subscriptions, invoices, webhooks, a ledger",
        "api jobs",
        settings=(
            Option(
                "payment.fixtures",
                "`stripe`: the ids of Stripe's own examples (cus_123) name things that exist",
                flag="fixtures",
                metavar="NAME",
            ),
            Option(
                "payment.forward",
                "send requests under /v1 to a real gateway (https://api.stripe.com) instead of answering them",
                flag="forward",
                metavar="URL",
            ),
        ),
    ),
)
