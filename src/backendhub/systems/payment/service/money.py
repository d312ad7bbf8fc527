"""Amounts, and the double-entry ledger behind the balance: book `payment`, one set of accounts for each currency."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backendhub.kit import clock, ledger
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money, exponent, from_stripe, to_stripe
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import objects, resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json

BOOK = "payment"
MOVEMENT = resources.declare(
    resources.Resource(
        "balance_transaction",
        "txn",
        "/v1/balance_transactions",
        index=("type", "source", "currency", "payout", "status", "available_on"),
        expand={"source": "*"},
        metadata=False,
        tells=False,
    )
)
SETTLING = Machine(
    "balance transaction",
    table="payment_object",
    column="status",
    initial="pending",
    moves=(Move("settle", "pending", "available", "Its day has come"),),
)
SETTLES_AFTER = timedelta(days=2)
LARGEST = 99_999_999
SMALLEST = {
    "aed": 200, "ars": 50, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "clp": 50, "cop": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "idr": 50, "ils": 50, "inr": 50, "jpy": 50, "krw": 50,
    "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
    "try": 50, "usd": 50, "zar": 50,
}  # fmt: skip
"""The least that can be charged, in the wire's smallest units; elsewhere 1."""
SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}
PLACES = {
    "network": ledger.Side.DEBIT,
    "paid_out": ledger.Side.CREDIT,
    "pending": ledger.Side.CREDIT,
    "available": ledger.Side.CREDIT,
    "fees": ledger.Side.CREDIT,
    "disputed": ledger.Side.CREDIT,
}
"""Accounts: what card networks owe; what the merchant has, was paid out, pays, and has in dispute."""


def checked(amount: int, currency: str, *, param: str = "amount") -> Money:
    """An amount that can be charged. Raises ApiError beyond the limits of its currency."""
    least = SMALLEST.get(currency, 1)
    if amount < least:
        raise ApiError(
            f"Amount must be at least {said(least, currency)}", code="amount_too_small", param=param
        )
    if amount > LARGEST:
        raise ApiError(
            f"Amount must be no more than {said(LARGEST, currency)}", code="amount_too_large", param=param
        )
    return exact(amount, currency, param=param)


def exact(amount: int, currency: str, *, param: str = "amount") -> Money:
    """The wire's smallest units as money. Raises ApiError for a fraction that the currency has not."""
    try:
        return from_stripe(amount, currency.upper())
    except Invalid as error:
        raise ApiError(f"Invalid amount: {error.message}", code="amount_invalid", param=param) from None


def said(amount: int, currency: str) -> str:
    """`$0.50 usd`."""
    places = exponent(currency.upper())
    text = f"{amount / 10**places:,.{places}f}" if places else f"{amount:,}"
    return f"{SIGNS.get(currency, '')}{text} {currency}"


def fee_of(amount: Money) -> Money:
    """What taking a payment costs: 2.9 % and, where there are hundredths, 30 of them; never more than the amount."""
    fixed = 30 if exponent(amount.currency) == 2 else 0
    return Money(min(amount.minor, (amount.minor * 29 + 500) // 1000 + fixed), amount.currency)


def move(db: Db, id: str, debit: str, credit: str, amount: Money, *, code: str) -> None:
    """Moves money between two of our accounts; an id moves it once. The ledger goes by the wall: its times never go back,
    those of test clocks stand anywhere."""
    if amount.minor:
        ids = [_account(db, name, amount.currency) for name in (debit, credit)]
        with clock.traveling(clock.wall()):
            ledger.transfer(db, debit=ids[0], credit=ids[1], amount=amount, id=f"{BOOK}:{id}", code=code)


def balance_of(db: Db, name: str, currency: str) -> int:
    """What an account of ours holds, in minor units."""
    return ledger.balance(db, _account(db, name, currency)).posted


def _account(db: Db, name: str, currency: str) -> int:
    return ledger.open_account(db, book=BOOK, name=name, currency=currency, side=PLACES[name]).id


def movement(
    db: Db,
    *,
    type: str,
    source: str,
    amount: Money,
    fee: Money | None = None,
    description: str | None = None,
    settles: str = "pending",
    category: str | None = None,
    fees: str = "stripe_fee",
) -> Json:
    """Writes a line of the balance: `amount` is signed, `fee` is taken off it. The ledger was moved by who calls."""
    fee = fee or Money(0, amount.currency)
    at = clock.now() + (SETTLES_AFTER if settles == "pending" else timedelta(0))
    currency = amount.currency.lower()
    charged = signed(fee)
    details = [
        {
            "amount": charged,
            "application": None,
            "currency": currency,
            "description": "Payment processing fees" if fees == "stripe_fee" else "Dispute fee",
            "type": fees,
        }
    ]
    gross = signed(amount)
    return objects.make(
        db,
        "balance_transaction",
        {
            "amount": gross,
            "available_on": int(at.timestamp()),
            "balance_type": "payments",
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": charged,
            "fee_details": details if charged else [],
            "net": gross - charged,
            "reporting_category": category or type,
            "source": source,
            "type": type,
        },
        status="available" if settles == "available" else "pending",
    )


def signed(amount: Money) -> int:
    """An amount in the wire's smallest units, negative ones too."""
    size = to_stripe(Money(abs(amount.minor), amount.currency))
    return size if amount.minor >= 0 else -size


def settle(db: Db, *, limit: int = 500) -> int:
    """Makes available what is due; gives the number of lines."""
    due = objects.select(
        db,
        "balance_transaction",
        [("status", ":", "pending"), ("available_on", "<=", objects.now())],
        limit=limit,
    )
    for line in due:
        SETTLING.move(db, objects.key_of(db, "balance_transaction", line["id"]), "settle")
        objects.save(db, line)
        net = from_stripe(abs(line["net"]), line["currency"].upper())
        debit, credit = ("pending", "available") if line["net"] >= 0 else ("available", "pending")
        move(db, f"{line['id']}:settle", debit, credit, net, code="settle")
    return len(due)


def balance(db: Db, params: Json) -> Json:
    """What there is, by currency."""
    held: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for account in ledger.accounts_of(db, BOOK):
        if account.name in held:
            amount = Money(account.credits - account.debits, account.currency)
            held[account.name][account.currency.lower()] = signed(amount)
    currencies = sorted({c for each in held.values() for c in each}) or ["usd"]
    told: dict[str, Any] = {
        name: [
            {"amount": each.get(c, 0), "currency": c, "source_types": {"card": each.get(c, 0)}}
            for c in currencies
        ]
        for name, each in held.items()
    }
    return {"object": "balance", "livemode": False, **told}


def day(moment: int) -> datetime:
    """A time of the wire."""
    return datetime.fromtimestamp(moment, UTC)
