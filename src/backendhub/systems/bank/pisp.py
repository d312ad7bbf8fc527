"""Open Banking UK: payments, scheduled payments and standing orders under a consent."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from backendhub.kit import clock, web
from backendhub.kit.db import Db

from .models import Consent, ConsentKind, ConsentMismatch, Missing, Order
from .service import accounts, consents, payments, scheduled
from .shapes import (
    Key,
    PaymentConsentIn,
    PaymentIn,
    ScheduledConsentIn,
    ScheduledIn,
    StandingConsentIn,
    StandingIn,
    sent,
)
from .wire import answer, paying, proposing, stamp

PAYMENT, SCHEDULED, STANDING = ConsentKind.PAYMENT, ConsentKind.SCHEDULED, ConsentKind.STANDING_ORDER
NAMES = {
    PAYMENT: ("DomesticPaymentId", "ACSC"),
    SCHEDULED: ("DomesticScheduledPaymentId", "PDNG"),
    STANDING: ("DomesticStandingOrderId", "INCO"),
}
"""How the id of what was ordered is called, and its state when it was: what becomes of a scheduled payment is in STATES."""
STATES = {"waiting": "PDNG", "paid": "ACSC", "refused": "RJCT", "cancelled": "CANC"}
payment_consents = proposing["domestic-payment"]
scheduled_consents = proposing["domestic-scheduled-payment"]
standing_consents = proposing["domestic-standing-order"]


@payment_consents.post("", status=201, statuses=(400, 401))
def create_payment_consent(
    db: Db, request: web.Request, body: PaymentConsentIn, user: web.MaybeUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Ask to make a payment; the customer then authorises it at the bank."""
    return _ask(db, request, PAYMENT, body, body.Data, x_idempotency_key, user.id if user else "")


@payment_consents.get("/{consent_id}", statuses=(400,))
def get_payment_consent(db: Db, request: web.Request, consent_id: str) -> dict[str, Any]:
    """Read a consent to pay."""
    return _consent(request, consents.get(db, consent_id, PAYMENT))


@paying.get("/domestic-payment-consents/{consent_id}/funds-confirmation", statuses=(400, 403))
def confirm_funds(db: Db, request: web.Request, consent_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Ask whether the account that pays has the money."""
    consent = consents.get(db, consent_id, PAYMENT)
    _mine(consent, user.id)
    consents.require(consent)
    assert consent.initiation is not None
    wanted = consents.amount_of(consent.initiation["InstructedAmount"])
    enough = payments.funds(db, accounts.get(db, consent.debtor_id or ""), wanted)
    result = {"FundsAvailableDateTime": stamp(clock.now()), "FundsAvailable": enough}
    return answer(request, {"FundsAvailableResult": result})


@paying.post("/domestic-payments", status=201, statuses=(400, 403))
def create_payment(
    db: Db, request: web.Request, body: PaymentIn, user: web.CurrentUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Pay what was consented to: at once, or not at all."""
    return _order(db, request, PAYMENT, body, body.Data.ConsentId, body.Data, x_idempotency_key, user.id)


@paying.get("/domestic-payments/{payment_id}", statuses=(400, 403))
def get_payment(db: Db, request: web.Request, payment_id: str, user: web.CurrentUser) -> dict[str, Any]:
    """Read a payment."""
    order, consent = _found(db, payment_id, PAYMENT, user.id)
    return _made(db, request, order, consent)


@paying.get("/domestic-payments/{payment_id}/payment-details", statuses=(400, 403))
def get_payment_details(
    db: Db, request: web.Request, payment_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """Read where a payment stands on its way."""
    order, _ = _found(db, payment_id, PAYMENT, user.id)
    status = {
        "PaymentTransactionId": order.transfer_id,
        "Status": "ACSC",
        "StatusUpdateDateTime": stamp(order.created_at),
    }
    return answer(request, {"PaymentStatus": [status]})


@scheduled_consents.post("", status=201, statuses=(400, 401))
def create_scheduled_payment_consent(
    db: Db, request: web.Request, body: ScheduledConsentIn, user: web.MaybeUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Ask to make a payment at a time."""
    return _ask(db, request, SCHEDULED, body, body.Data, x_idempotency_key, user.id if user else "")


@scheduled_consents.get("/{consent_id}", statuses=(400,))
def get_scheduled_payment_consent(db: Db, request: web.Request, consent_id: str) -> dict[str, Any]:
    """Read a consent to make a payment at a time."""
    return _consent(request, consents.get(db, consent_id, SCHEDULED))


@paying.post("/domestic-scheduled-payments", status=201, statuses=(400, 403))
def create_scheduled_payment(
    db: Db, request: web.Request, body: ScheduledIn, user: web.CurrentUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Schedule the payment that was consented to."""
    return _order(db, request, SCHEDULED, body, body.Data.ConsentId, body.Data, x_idempotency_key, user.id)


@paying.get("/domestic-scheduled-payments/{scheduled_payment_id}", statuses=(400, 403))
def get_scheduled_payment(
    db: Db, request: web.Request, scheduled_payment_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """Read a scheduled payment: whether it waits, was paid or refused."""
    order, consent = _found(db, scheduled_payment_id, SCHEDULED, user.id)
    return _made(db, request, order, consent)


@paying.get("/domestic-scheduled-payments/{scheduled_payment_id}/payment-details", statuses=(400, 403))
def get_scheduled_payment_details(
    db: Db, request: web.Request, scheduled_payment_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """Read where a scheduled payment stands on its way."""
    order, _ = _found(db, scheduled_payment_id, SCHEDULED, user.id)
    payment = scheduled.get(db, order.scheduled_payment_id or "")
    status = {
        "PaymentTransactionId": payment.id,
        "Status": STATES[payment.state],
        "StatusUpdateDateTime": stamp(payment.settled_at or payment.created_at),
    }
    return answer(request, {"PaymentStatus": [status]})


@standing_consents.post("", status=201, statuses=(400, 401))
def create_standing_order_consent(
    db: Db, request: web.Request, body: StandingConsentIn, user: web.MaybeUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Ask to set up a standing order."""
    return _ask(db, request, STANDING, body, body.Data, x_idempotency_key, user.id if user else "")


@standing_consents.get("/{consent_id}", statuses=(400,))
def get_standing_order_consent(db: Db, request: web.Request, consent_id: str) -> dict[str, Any]:
    """Read a consent to set up a standing order."""
    return _consent(request, consents.get(db, consent_id, STANDING))


@paying.post("/domestic-standing-orders", status=201, statuses=(400, 403))
def create_standing_order(
    db: Db, request: web.Request, body: StandingIn, user: web.CurrentUser, x_idempotency_key: Key
) -> dict[str, Any]:
    """Set up the standing order that was consented to."""
    return _order(db, request, STANDING, body, body.Data.ConsentId, body.Data, x_idempotency_key, user.id)


@paying.get("/domestic-standing-orders/{standing_order_id}", statuses=(400, 403))
def get_standing_order(
    db: Db, request: web.Request, standing_order_id: str, user: web.CurrentUser
) -> dict[str, Any]:
    """Read a standing order."""
    order, consent = _found(db, standing_order_id, STANDING, user.id)
    return _made(db, request, order, consent)


def _ask(
    db: Db, request: web.Request, kind: ConsentKind, body: BaseModel, data: BaseModel, key: str, client: str
) -> dict[str, Any]:
    fields = sent(data)
    made = consents.request_payment(
        db,
        kind,
        client=client,
        key=key,
        initiation=fields.pop("Initiation"),
        risk=sent(body)["Risk"],
        more=fields,
    )
    return _consent(request, made, status=201)


def _consent(request: web.Request, consent: Consent, status: int = 200) -> dict[str, Any]:
    data = {
        "ConsentId": consent.id,
        "CreationDateTime": stamp(consent.created_at),
        "Status": consent.state,
        "StatusUpdateDateTime": stamp(consent.updated_at),
        **consent.more,
        "Initiation": consent.initiation,
    }
    return answer(request, data, status=status, Risk=consent.risk)


def _order(
    db: Db,
    request: web.Request,
    kind: ConsentKind,
    body: BaseModel,
    consent_id: str,
    data: BaseModel,
    key: str,
    holder: str,
) -> dict[str, Any]:
    consent = consents.get(db, consent_id, kind)
    _mine(consent, holder)
    made = consents.order(db, consent, key=key, initiation=sent(data)["Initiation"], risk=sent(body)["Risk"])
    return _made(db, request, made, consent, status=201)


def _made(db: Db, request: web.Request, order: Order, consent: Consent, status: int = 200) -> dict[str, Any]:
    name, state = NAMES[consent.kind]
    changed, more = order.created_at, {}
    if order.scheduled_payment_id is not None:
        payment = scheduled.get(db, order.scheduled_payment_id)
        state, changed = STATES[payment.state], payment.settled_at or payment.created_at
        more = {"ExpectedExecutionDateTime": stamp(payment.due_at)}
    data: dict[str, Any] = {
        name: order.id,
        "ConsentId": consent.id,
        "CreationDateTime": stamp(order.created_at),
        "Status": state,
        "StatusUpdateDateTime": stamp(changed),
        **more,
        "Initiation": consent.initiation,
    }
    if consent.more.get("ReadRefundAccount") == "Yes":
        account = accounts.get(db, consent.debtor_id or "")
        data["Refund"] = {
            "Account": {
                "SchemeName": accounts.IBAN,
                "Identification": account.iban,
                "Name": accounts.get_customer(db, account.customer_id).name,
            }
        }
    return answer(request, data, status=status)


def _found(db: Db, id: str, kind: ConsentKind, holder: str) -> tuple[Order, Consent]:
    order = consents.get_order(db, id)
    consent = consents.get(db, order.consent_id)
    if consent.kind is not kind or consent.id != holder:
        raise Missing(f"There is no payment {id}.")
    return order, consent


def _mine(consent: Consent, holder: str) -> None:
    """A token acts under its own consent and no other."""
    if consent.id != holder:
        raise ConsentMismatch("The token belongs to another consent.")
