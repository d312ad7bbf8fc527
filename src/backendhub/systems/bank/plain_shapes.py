"""Bodies and answers of the bank's own routes: amounts are decimal strings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from backendhub.kit.db import Db
from backendhub.kit.money import Money, minor
from backendhub.kit.web.fields import NO_NUL, VISIBLE

from .models import Account, Consent, Creditor, Line, Transfer
from .service import accounts

Decimals = Annotated[
    str, Field(pattern=r"^[0-9]{1,13}(\.[0-9]{1,4})?$", description="A decimal string: `12.50`")
]
Code = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Name = Annotated[str, Field(min_length=1, max_length=140, pattern=VISIBLE)]
Reference = Annotated[str, Field(max_length=140, pattern=NO_NUL)]
# Not in the schema: a key that repeats must come with the body that it came with before.
Key = Annotated[str | None, Header(max_length=200, include_in_schema=False)]
Day = Annotated[date, Query(description="YYYY-MM-DD")]


class Strict(BaseModel):
    """A body without unknown members."""

    model_config = ConfigDict(extra="forbid")


class CustomerIn(Strict):
    """A new customer."""

    name: Name
    email: Annotated[str | None, Field(max_length=254, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")] = None
    kind: Literal["personal", "business"] = "personal"


class AccountIn(Strict):
    """A new account."""

    customerId: Annotated[str, Field(max_length=40)]
    currency: Code = "GBP"
    kind: Literal["CACC", "SVGS"] = "CACC"
    nickname: Annotated[Name, Field(max_length=70)] | None = None
    overdraft: Decimals = "0"


class AccountPatch(Strict):
    """What can be changed of an account."""

    nickname: Annotated[Name, Field(max_length=70)] | None = None
    overdraft: Decimals = "0"


class CashIn(Strict):
    """Cash over the counter."""

    amount: Decimals
    currency: Code
    reference: Reference = ""


class TransferIn(CashIn):
    """From one account of this bank to another."""

    debtorId: Annotated[str, Field(max_length=40)]
    creditorId: Annotated[str, Field(max_length=40)]


class CreditorIn(Strict):
    """Who is paid."""

    scheme: Literal["UK.OBIE.IBAN", "UK.OBIE.SortCodeAccountNumber"] = "UK.OBIE.IBAN"
    identification: Annotated[str, Field(min_length=1, max_length=60)]
    name: Name

    def record(self) -> Creditor:
        """As the service takes it."""
        return Creditor(self.scheme, self.identification, self.name)


class PaymentIn(CashIn):
    """A payment to an account named as on an invoice."""

    creditor: CreditorIn


class BeneficiaryIn(CreditorIn):
    """Somebody to note."""

    reference: Annotated[Reference, Field(max_length=35)] | None = None


class StandingOrderIn(PaymentIn):
    """A payment that repeats."""

    frequency: Literal["DAIL", "WEEK", "FRTN", "MNTH", "QURT", "MIAN", "YEAR"]
    firstOn: date
    lastOn: date | None = None
    payments: Annotated[int, Field(ge=1, le=100_000)] | None = None


class ScheduledPaymentIn(PaymentIn):
    """A payment at a time."""

    dueAt: AwareDatetime


class AuthoriseIn(Strict):
    """The accounts for which a customer agrees: those to be read, or the one that pays."""

    accounts: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=50)]


@dataclass(frozen=True, slots=True)
class AccountOut:
    """An account with its balances as decimal strings."""

    id: str
    customer_id: str
    kind: str
    currency: str
    sort_code: str | None
    number: str | None
    iban: str | None
    nickname: str | None
    overdraft: str
    balance: str
    available: str
    closed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LineOut:
    """A line of a statement with signed decimal strings."""

    line: int
    transfer_id: str
    at: datetime
    kind: str
    amount: str
    balance: str
    reference: str
    counterparty: str | None
    counterparty_identification: str | None


@dataclass(frozen=True, slots=True)
class TransferOut:
    """Money that moved."""

    id: str
    kind: str
    debtor_id: str | None
    creditor_id: str | None
    creditor_name: str | None
    creditor_identification: str | None
    amount: str
    currency: str
    reference: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ConsentOut:
    """A consent as its customer sees it; `token` only once."""

    id: str
    kind: str
    client: str
    state: str
    permissions: list[str]
    initiation: dict[str, Any] | None
    expires_at: datetime | None
    created_at: datetime
    token: str | None = None


def account_out(db: Db, account: Account) -> AccountOut:
    """An account with its balances."""
    held = accounts.held(db, account)
    values = asdict(account)
    for name in ("no", "ledger_id"):
        values.pop(name)
    values |= {"overdraft": account.overdraft, "balance": held.posted, "available": held.available}
    money = {n: Money(values[n], account.currency).decimal for n in ("overdraft", "balance", "available")}
    return AccountOut(**values | money | {"kind": account.kind.value})


def transfer_out(moved: Transfer) -> TransferOut:
    """A movement."""
    values = asdict(moved) | {"kind": moved.kind.value, "amount": moved.money.decimal}
    values.pop("creditor_scheme")
    return TransferOut(**values)


def line_out(account: Account, line: Line) -> LineOut:
    """A line."""

    def money(minor: int) -> str:
        return Money(minor, account.currency).decimal

    return LineOut(
        line.line,
        line.id,
        line.at,
        line.kind.value,
        money(line.amount),
        money(line.balance),
        line.reference,
        line.counterparty,
        line.counterparty_identification,
    )


def consent_out(consent: Consent, token: str | None = None) -> ConsentOut:
    """A consent, with its token where it was just made."""
    return ConsentOut(
        consent.id,
        consent.kind.value,
        consent.client,
        consent.state,
        consent.permissions,
        consent.initiation,
        consent.expires_at,
        consent.created_at,
        token,
    )


def money_of(body: CashIn) -> Money:
    """The amount of a body. Raises Invalid for more decimals than the currency has."""
    return Money(minor(body.amount, body.currency), body.currency)
