"""What a bank keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from backendhub.kit.errors import Conflict, Denied, Invalid, NotFound
from backendhub.kit.money import Money
from backendhub.kit.states import Machine, Move


class Kind(StrEnum):
    """What moved money, as customers see it."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    PAYMENT = "payment"
    STANDING_ORDER = "standing-order"


class AccountKind(StrEnum):
    """ISO 20022 codes of account types."""

    CURRENT = "CACC"
    SAVINGS = "SVGS"


class Frequency(StrEnum):
    """How often a standing order pays: ISO 20022 codes."""

    DAILY = "DAIL"
    WEEKLY = "WEEK"
    FORTNIGHTLY = "FRTN"
    MONTHLY = "MNTH"
    QUARTERLY = "QURT"
    HALF_YEARLY = "MIAN"
    YEARLY = "YEAR"

    @property
    def span(self) -> tuple[int, str]:
        """The period as a number and a unit of d, w, m, y."""
        return {
            "DAIL": (1, "d"),
            "WEEK": (1, "w"),
            "FRTN": (2, "w"),
            "MNTH": (1, "m"),
            "QURT": (3, "m"),
            "MIAN": (6, "m"),
            "YEAR": (1, "y"),
        }[self.value]


class ConsentKind(StrEnum):
    """What a consent is about."""

    ACCESS = "account-access"
    PAYMENT = "domestic-payment"
    SCHEDULED = "domestic-scheduled-payment"
    STANDING_ORDER = "domestic-standing-order"


CONSENT = Machine(
    "consent",
    table="bank_consent",
    initial="AWAU",
    moves=(
        Move("authorise", "AWAU", "AUTH", "The customer has agreed at the bank"),
        Move("reject", "AWAU", "RJCT", "The customer has refused"),
        Move("revoke", "AUTH", "CANC", "The customer or the third party has ended it"),
        Move("consume", "AUTH", "COND", "Its payment was ordered; for consents to pay"),
    ),
)
"""States of a consent (Open Banking UK 4.0 codes); one that has passed its end reads as EXPD."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody with accounts."""

    id: str
    name: str
    email: str | None
    kind: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A customer's account. `overdraft` is what it may be overdrawn, in minor units."""

    no: int
    id: str
    customer_id: str
    ledger_id: int
    kind: AccountKind
    currency: str
    sort_code: str | None
    number: str | None
    iban: str | None
    nickname: str | None
    overdraft: int
    closed_at: datetime | None
    created_at: datetime


class Creditor(NamedTuple):
    """Who is paid: `UK.OBIE.IBAN` or `UK.OBIE.SortCodeAccountNumber`, the identification, and a name."""

    scheme: str
    identification: str
    name: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money that moved, from whom to whom; None on the side that is outside the bank."""

    id: str
    kind: Kind
    debtor_id: str | None
    creditor_id: str | None
    creditor_scheme: str | None
    creditor_identification: str | None
    creditor_name: str | None
    amount: int
    currency: str
    reference: str
    created_at: datetime

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self.amount, self.currency)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a statement: signed amount and balance in minor units, and what is known of the other side."""

    line: int
    id: str
    at: datetime
    amount: int
    balance: int
    kind: Kind
    reference: str
    counterparty: str | None
    counterparty_scheme: str | None
    counterparty_identification: str | None


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """Somebody an account often pays."""

    id: str
    account_id: str
    name: str
    scheme: str
    identification: str
    reference: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """A payment that repeats. `made` counts occurrences that are over, `refused` those for which there was no money."""

    id: str
    account_id: str
    creditor_scheme: str
    creditor_identification: str
    creditor_name: str
    reference: str
    currency: str
    first_amount: int
    recurring_amount: int
    final_amount: int | None
    frequency: Frequency
    first_on: date
    payments: int | None
    last_on: date | None
    made: int
    refused: int
    next_on: date | None
    paid_at: datetime | None
    paid_amount: int | None
    state: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduledPayment:
    """A payment at a time. `state` is waiting, paid, refused (`reason`) or cancelled; once paid, its transfer has its id."""

    id: str
    account_id: str
    creditor_scheme: str
    creditor_identification: str
    creditor_name: str
    reference: str
    amount: int
    currency: str
    due_at: datetime
    state: str
    reason: str | None
    settled_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """What a third party may do. `state` is a code of CONSENT."""

    id: str
    kind: ConsentKind
    client: str
    state: str
    permissions: list[str]
    initiation: dict[str, Any] | None
    risk: dict[str, Any]
    more: dict[str, Any]
    expires_at: datetime | None
    from_at: datetime | None
    to_at: datetime | None
    customer_id: str | None
    debtor_id: str | None
    token_hash: str | None
    key: str | None
    request_hash: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What a consent to pay was used for."""

    id: str
    consent_id: str
    transfer_id: str | None
    standing_order_id: str | None
    scheduled_payment_id: str | None
    key: str
    request_hash: str
    created_at: datetime


class Missing(NotFound):
    """No such customer, account, payment or consent."""


class BadIdentification(Invalid):
    """An IBAN or account number that cannot be one."""

    code = "bad_identification"


class ConsentState(Conflict):
    """The consent is not in a state that allows this: waiting, rejected, revoked, used or expired."""

    code = "consent_state"


class ConsentMismatch(Conflict):
    """The payment is not the one that was consented to."""

    code = "consent_mismatch"


class KeyReused(Conflict):
    """The idempotency key came with another body before."""

    code = "key_reused"


class NotPermitted(Denied):
    """The consent does not cover this."""

    code = "not_permitted"
