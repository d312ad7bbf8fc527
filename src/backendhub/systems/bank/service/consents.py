"""Consents: a third party asks, the customer authorises at the bank, the third party acts with the token of the consent."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, Unauthenticated
from backendhub.kit.ids import uuid7
from backendhub.kit.money import Money, minor
from backendhub.kit.states import IllegalMove
from backendhub.systems.bank import store
from backendhub.systems.bank.models import (
    CONSENT,
    Account,
    Consent,
    ConsentKind,
    ConsentMismatch,
    ConsentState,
    Creditor,
    KeyReused,
    Missing,
    NotPermitted,
    Order,
)

from . import accounts, orders, payments, scheduled

PREFIX = {
    ConsentKind.ACCESS: "aac",
    ConsentKind.PAYMENT: "pcon",
    ConsentKind.SCHEDULED: "dcon",
    ConsentKind.STANDING_ORDER: "scon",
}
WHEN = "Data.Initiation.RequestedExecutionDateTime"
PERMISSIONS = frozenset(
    {
        "ReadAccountsBasic",
        "ReadAccountsDetail",
        "ReadBalances",
        "ReadBeneficiariesBasic",
        "ReadBeneficiariesDetail",
        "ReadDirectDebits",
        "ReadOffers",
        "ReadPAN",
        "ReadParty",
        "ReadPartyPSU",
        "ReadProducts",
        "ReadScheduledPaymentsBasic",
        "ReadScheduledPaymentsDetail",
        "ReadStandingOrdersBasic",
        "ReadStandingOrdersDetail",
        "ReadStatementsBasic",
        "ReadStatementsDetail",
        "ReadTransactionsBasic",
        "ReadTransactionsCredits",
        "ReadTransactionsDebits",
        "ReadTransactionsDetail",
    }
)
EXPIRED = "EXPD"


class Authorised(NamedTuple):
    """A consent with the token that acts under it; the token is shown once."""

    consent: Consent
    token: str


def request_access(
    db: Db,
    *,
    client: str,
    permissions: Sequence[str],
    expires_at: datetime | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
) -> Consent:
    """A third party asks to read accounts. Raises Invalid for permissions that make no sense."""
    wanted = list(dict.fromkeys(permissions))
    if unknown := [p for p in wanted if p not in PERMISSIONS]:
        raise Invalid(f"There is no permission {unknown[0]!r}.", field="Data.Permissions")
    if not {"ReadAccountsBasic", "ReadAccountsDetail"} & set(wanted):
        raise Invalid(
            "Permissions include ReadAccountsBasic or ReadAccountsDetail.", field="Data.Permissions"
        )
    kinds = {"ReadTransactionsBasic", "ReadTransactionsDetail"} & set(wanted)
    sides = {"ReadTransactionsCredits", "ReadTransactionsDebits"} & set(wanted)
    if bool(kinds) != bool(sides):
        raise Invalid(
            "ReadTransactionsBasic or -Detail go together with ReadTransactionsCredits or -Debits.",
            field="Data.Permissions",
        )
    if expires_at is not None and expires_at <= clock.precise():
        raise Invalid("The consent would end in the past.", field="Data.ExpirationDateTime", date=True)
    if from_at is not None and to_at is not None and from_at > to_at:
        raise Invalid(
            "The transactions end before they begin.", field="Data.TransactionToDateTime", date=True
        )
    return _insert(
        db,
        ConsentKind.ACCESS,
        client=client,
        permissions=wanted,
        expires_at=expires_at,
        from_at=from_at,
        to_at=to_at,
    )


def request_payment(
    db: Db,
    kind: ConsentKind,
    *,
    client: str,
    key: str,
    initiation: dict[str, Any],
    risk: dict[str, Any],
    more: dict[str, Any],
) -> Consent:
    """A third party asks to pay, now or at a time, or to set up a standing order. The same key and body again give the same consent.

    Raises KeyReused, Invalid, BadIdentification.
    """
    digest = _digest([initiation, risk, more])
    known = db.one(Consent, store.BY_KEY, client=client, kind=kind, key=key)
    if known is not None:
        if known.request_hash != digest:
            raise KeyReused("This idempotency key came with another request before.")
        return _now(known)
    accounts.resolve(db, creditor_of(initiation))
    debtor = None
    if named := initiation.get("DebtorAccount"):
        found = accounts.resolve(db, Creditor(named["SchemeName"], named["Identification"], ""))
        if found is None:
            raise Invalid("The debtor has no account here.", field="Data.Initiation.DebtorAccount")
        debtor = found.id
    for name in ("InstructedAmount", "FirstPaymentAmount", "RecurringPaymentAmount", "FinalPaymentAmount"):
        if given := initiation.get(name):
            amount_of(given)
    if kind is ConsentKind.SCHEDULED:
        scheduled.check_time(time_of(initiation), WHEN)
    return _insert(
        db,
        kind,
        client=client,
        initiation=initiation,
        risk=risk,
        more=more,
        key=key,
        debtor_id=debtor,
        request_hash=digest,
    )


def get(db: Db, id: str, *kinds: ConsentKind) -> Consent:
    """A consent; one whose time is over says so. Raises NotFound, for one of another kind too."""
    found = db.one(Consent, store.ONE_CONSENT, id=id)
    if found is None or (kinds and found.kind not in kinds):
        raise Missing(f"There is no consent {id}.")
    return _now(found)


def authorise(db: Db, id: str, account_ids: Sequence[str]) -> Authorised:
    """The customer agrees, for accounts that are all theirs: those to be read, or the one that pays.

    Raises NotFound, Invalid, ConsentState.
    """
    consent = get(db, id)
    if consent.state != "AWAU":
        raise ConsentState(f"The consent is {consent.state}.", state=consent.state)
    chosen = [accounts.get(db, account) for account in dict.fromkeys(account_ids)]
    if not chosen or len({a.customer_id for a in chosen}) != 1:
        raise Invalid("A consent is authorised for accounts of one customer.")
    if consent.kind is not ConsentKind.ACCESS and (
        len(chosen) != 1 or consent.debtor_id not in (None, chosen[0].id)
    ):
        raise Invalid("A payment is authorised for the one account that pays.")
    token = "obt_" + secrets.token_urlsafe(32)
    CONSENT.move(
        db,
        id,
        "authorise",
        customer_id=chosen[0].customer_id,
        debtor_id=None if consent.kind is ConsentKind.ACCESS else chosen[0].id,
        token_hash=_hash(token),
        updated_at=clock.now(),
    )
    db.run_many(store.ALLOW, [{"consent_id": id, "account_id": a.id} for a in chosen])
    return Authorised(get(db, id), token)


def reject(db: Db, id: str) -> Consent:
    """The customer refuses. Raises NotFound, IllegalMove."""
    CONSENT.move(db, id, "reject", updated_at=clock.now())
    return get(db, id)


def revoke(db: Db, id: str) -> Consent:
    """The customer or the third party ends it; its token is worthless from now on. Raises NotFound, IllegalMove."""
    CONSENT.move(db, id, "revoke", updated_at=clock.now())
    return get(db, id)


def of_token(db: Db, token: str) -> Consent:
    """The consent that a token acts under, whatever its state. Raises Unauthenticated."""
    found = db.one(Consent, store.BY_TOKEN, hash=_hash(token))
    if found is None:
        raise Unauthenticated("The token is not one of this bank.")
    return _now(found)


def require(consent: Consent, *permissions: str) -> None:
    """Raises ConsentState for one that is not in force, NotPermitted where it has none of these permissions."""
    if consent.state != "AUTH":
        raise ConsentState(f"The consent is {consent.state}.", state=consent.state)
    if permissions and not set(permissions) & set(consent.permissions):
        raise NotPermitted(f"The consent does not cover {permissions[0]}.")


def allowed(db: Db, consent: Consent) -> list[Account]:
    """The accounts that a consent is about."""
    return db.all(Account, store.ALLOWED, id=consent.id)


def order(db: Db, consent: Consent, *, key: str, initiation: dict[str, Any], risk: dict[str, Any]) -> Order:
    """Does what was consented to: pays, schedules the payment, or sets up the standing order. The same key and body again change nothing.

    Raises ConsentState, ConsentMismatch, KeyReused, InsufficientFunds and what payments raise.
    """
    digest = _digest([initiation, risk])
    if (known := _ordered(db, consent, key, digest)) is not None:
        return known
    require(consent)
    if _digest([consent.initiation, consent.risk]) != digest:
        raise ConsentMismatch("This is not what was consented to: Initiation or Risk differ.")
    assert consent.debtor_id is not None
    try:
        CONSENT.move(db, consent.id, "consume", updated_at=clock.now())
    except IllegalMove:  # the same request at the same time has waited for this one's row
        if (known := _ordered(db, consent, key, digest)) is None:
            raise
        return known
    id, creditor = uuid7(), creditor_of(initiation)
    made: dict[str, str] = {}
    if consent.kind is ConsentKind.PAYMENT:
        amount = amount_of(initiation["InstructedAmount"])
        paid = payments.pay(
            db, consent.debtor_id, creditor, amount, reference=reference_of(initiation), id=id
        )
        made["transfer_id"] = paid.id
    elif consent.kind is ConsentKind.SCHEDULED:
        due = time_of(initiation)
        scheduled.check_time(due, WHEN)
        planned = scheduled.add(
            db,
            account_id=consent.debtor_id,
            creditor=creditor,
            amount=amount_of(initiation["InstructedAmount"]),
            due_at=due,
            reference=reference_of(initiation),
        )
        made["scheduled_payment_id"] = planned.id
    else:
        made["standing_order_id"] = _standing_order(db, consent, creditor, initiation)
    return db.insert(
        Order,
        "bank_order",
        id=id,
        consent_id=consent.id,
        key=key,
        request_hash=digest,
        created_at=clock.now(),
        **made,
    )


def _ordered(db: Db, consent: Consent, key: str, digest: str) -> Order | None:
    """What a consent was used for under this key, if it was. Raises KeyReused where that was another request."""
    known = db.one(Order, store.ORDER_OF, consent_id=consent.id)
    if known is None or known.key != key:
        return None
    if known.request_hash != digest:
        raise KeyReused("This idempotency key came with another request before.")
    return known


def get_order(db: Db, id: str) -> Order:
    """What a consent was used for. Raises NotFound."""
    found = db.one(Order, store.ONE_ORDER, id=id)
    if found is None:
        raise Missing(f"There is no payment {id}.")
    return found


def creditor_of(initiation: dict[str, Any]) -> Creditor:
    """Who is to be paid."""
    account = initiation["CreditorAccount"]
    return Creditor(account["SchemeName"], account["Identification"], account["Name"])


def amount_of(given: dict[str, str]) -> Money:
    """A decimal string with its currency. Raises Invalid for more decimals than the currency has."""
    return Money(minor(given["Amount"], given["Currency"]), given["Currency"])


def time_of(initiation: dict[str, Any]) -> datetime:
    """When a scheduled payment is to be made."""
    return datetime.fromisoformat(initiation["RequestedExecutionDateTime"])


def reference_of(initiation: dict[str, Any]) -> str:
    """What the creditor will read: the remittance information, else the end-to-end identification."""
    remittance = initiation.get("RemittanceInformation") or {}
    words = remittance.get("Unstructured") or [initiation.get("EndToEndIdentification", "")]
    return " ".join(words)[: payments.MAX_REFERENCE]


def _standing_order(db: Db, consent: Consent, creditor: Creditor, initiation: dict[str, Any]) -> str:
    mandate = initiation["MandateRelatedInformation"]
    first = datetime.fromisoformat(mandate["FirstPaymentDateTime"]).date()
    last = mandate.get("FinalPaymentDateTime")
    count = initiation.get("NumberOfPayments")
    assert consent.debtor_id is not None
    made = orders.add(
        db,
        account_id=consent.debtor_id,
        creditor=creditor,
        amount=amount_of(initiation["FirstPaymentAmount"]),
        recurring=amount_of(given) if (given := initiation.get("RecurringPaymentAmount")) else None,
        final=amount_of(given) if (given := initiation.get("FinalPaymentAmount")) else None,
        frequency=mandate["Frequency"]["Type"],
        first_on=first,
        last_on=datetime.fromisoformat(last).date() if last else None,
        payments=int(count) if count else None,
        reference=reference_of(initiation),
    )
    return made.id


def _insert(db: Db, kind: ConsentKind, **values: Any) -> Consent:
    now = clock.now()
    given: dict[str, Any] = {
        "permissions": [],
        "initiation": None,
        "risk": {},
        "more": {},
        "request_hash": "",
    } | values
    return db.insert(
        Consent,
        "bank_consent",
        id=f"{PREFIX[kind]}-{uuid7()}",
        kind=kind,
        state=CONSENT.initial,
        created_at=now,
        updated_at=now,
        **given,
    )


def _now(consent: Consent) -> Consent:
    over = consent.expires_at is not None and consent.expires_at <= clock.precise()
    return replace(consent, state=EXPIRED) if over and consent.state in ("AWAU", "AUTH") else consent


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
