"""Razorpay's wire under `/razorpay/v1`: orders, payments, refunds. Its client: `razorpay.Client(auth, base_url=…/razorpay)`."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.problems import by_field
from backendhub.kit.web.fields import NO_NUL

from . import objects
from .models import Json
from .service import razorpay
from .service.razorpay import ORDER, PAYMENT, REFUND, Refused, shown
from .wire.dialect import authenticate
from .wire.operations import calling, router

SCHEMA: Json = {
    "title": "RazorpayError",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "description"],
            "properties": {
                name: {"type": ["string", "null"]}
                for name in ("code", "description", "source", "step", "reason", "field")
            },
        }
    },
}


class Razorpay(web.Dialect):
    """Errors as `{"error": {"code", "description", "reason", …}}`."""

    name, description, media_type, schema = "RazorpayError", "An error (Razorpay)", "application/json", SCHEMA

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        told: Json = {
            "code": "BAD_REQUEST_ERROR" if error.status < 500 else "SERVER_ERROR",
            "description": error.message,
        }
        told |= {
            "source": "business",
            "step": "payment_initiation",
            "reason": "input_validation_failed",
            "metadata": {},
        }
        if isinstance(error, Refused):
            told |= {"reason": error.reason, "field": error.field} | error.more
        elif isinstance(error, Unauthenticated):
            told |= {"description": "Authentication failed", "source": "NA", "step": "NA", "reason": "NA"}
        elif error.status == 404:
            told["description"] = "The requested URL was not found on the server."
        elif fields := by_field(error):
            told["field"] = next(iter(fields))
        return web.Reply({"error": told}, error.status, media_type=self.media_type)


def _who(db: Db | None, request: web.Request) -> Principal | None:
    """Any `rzp_test_…` key and its secret; with `--auth token` an API key."""
    if request.hub.settings.get("auth") == "token":
        return authenticate(db, request)
    if request.header("authorization") is None:
        return None
    if not re.fullmatch(r"rzp_(test|live)_\w{1,100}", _credentials(request)[0]):
        raise Unauthenticated("Authentication failed")
    return Principal("acct_1", "account", via="api-key")


def _credentials(request: web.Request) -> tuple[str, str]:
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    try:
        key, _, secret = b64decode(rest, validate=True).decode().partition(":")
    except ValueError:
        raise Unauthenticated("Authentication failed") from None
    return (key, secret) if scheme.lower() == "basic" else ("", "")


v1 = router.family(
    "/razorpay/v1",
    dialect=Razorpay(invalid=400),
    auth=web.Authenticator(
        _who, schemes={"razorpay": {"type": "http", "scheme": "basic"}}, challenge='Basic realm="Razorpay"'
    ),
    guard=web.require(),
)
pages = router.family("/razorpay", dialect=Razorpay(invalid=400))
TEXT = Field(default=None, max_length=500, pattern=NO_NUL)
Notes = Annotated[
    dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=256, pattern=NO_NUL)]],
    Field(max_length=15),
]
Amount = Annotated[int, Field(ge=1, le=99_999_999)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Count = Annotated[int, Query(ge=1, le=100)]
Skip = Annotated[int, Query(ge=0, le=100_000)]
Moment = Annotated[int, Query(ge=0, le=2**40)]
Id = Annotated[str, Field(max_length=100)]


class Strict(BaseModel):
    """A body without further members."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OrderIn(Strict):
    """An order."""

    amount: Amount
    currency: Currency
    receipt: Annotated[str | None, Field(max_length=40, pattern=NO_NUL)] = None
    notes: Notes = Field(default_factory=dict)
    payment_capture: bool | Annotated[int, Field(ge=0, le=1)] = False
    partial_payment: bool = False


class NotesIn(Strict):
    """New notes."""

    notes: Notes


class CardIn(Strict):
    """A card."""

    number: Annotated[str, Field(max_length=30)]
    expiry_month: Annotated[int, Field(ge=1, le=12)] | Annotated[str, Field(pattern=r"^\d{1,2}$")]
    expiry_year: Annotated[int, Field(ge=0, le=9999)] | Annotated[str, Field(pattern=r"^\d{2,4}$")]
    cvv: Annotated[str, Field(max_length=4)] | None = None
    name: str | None = TEXT


class PaymentIn(Strict):
    """A payment by card."""

    amount: Amount
    currency: Currency
    order_id: Annotated[str, Field(max_length=100)] | None = None
    email: str | None = TEXT
    contact: str | None = TEXT
    description: str | None = TEXT
    method: Annotated[str, Field(pattern="^card$")] = "card"
    card: CardIn
    notes: Notes = Field(default_factory=dict)


class CaptureIn(Strict):
    """How much to capture."""

    amount: Amount
    currency: Currency | None = None


class RefundIn(Strict):
    """How much to refund."""

    amount: Amount | None = None
    speed: Annotated[str, Field(pattern="^(normal|optimum)$")] | None = None
    receipt: str | None = TEXT
    notes: Notes = Field(default_factory=dict)


def _collection(items: list[Json], entity: str) -> Json:
    return {"entity": "collection", "count": len(items), "items": [shown(i, entity) for i in items]}


@v1.post("/orders", statuses=(400,))
def razorpay_add_order(db: Db, body: OrderIn) -> Any:
    """Make an order."""
    made = razorpay.add_order(
        db,
        amount=body.amount,
        currency=body.currency,
        receipt=body.receipt,
        notes=body.notes,
        capture=bool(body.payment_capture),
        partial=body.partial_payment,
    )
    return shown(made, "order")


@v1.get("/orders", statuses=(400,))
def razorpay_list_orders(
    db: Db,
    count: Count = 10,
    skip: Skip = 0,
    since: Annotated[int, Query(alias="from", ge=0, le=2**40)] = 0,
    to: Moment = 0,
    receipt: Annotated[str | None, Query(max_length=40)] = None,
) -> Any:
    """List orders, the newest first."""
    found = razorpay.listed(db, ORDER, count=count, skip=skip, since=since, until=to, receipt=receipt)
    return _collection(found, "order")


@v1.get("/orders/{id}", statuses=(400,))
def razorpay_get_order(db: Db, id: Id) -> Any:
    """Read an order."""
    return shown(razorpay.find(db, ORDER, id), "order")


@v1.patch("/orders/{id}", statuses=(400,))
def razorpay_edit_order(db: Db, id: Id, body: NotesIn) -> Any:
    """Change the notes of an order."""
    return shown(razorpay.edit_order(db, id, body.notes), "order")


@v1.get("/orders/{id}/payments", statuses=(400,))
def razorpay_list_order_payments(db: Db, id: Id) -> Any:
    """List the payments of an order."""
    razorpay.find(db, ORDER, id)
    return _collection(
        razorpay.listed(db, PAYMENT, count=100, skip=0, since=0, until=0, order_id=id), "payment"
    )


@v1.post("/payments/create/json", statuses=(400,))
def razorpay_pay(db: Db, request: web.Request, body: PaymentIn) -> Any:
    """Pay by card: a signature that proves it, the page of the bank where there is one, or why it was refused."""
    card = {
        "number": body.card.number,
        "exp_month": int(body.card.expiry_month),
        "exp_year": int(body.card.expiry_year),
        "cvc": body.card.cvv,
    }
    about = {
        "email": body.email,
        "contact": body.contact,
        "description": body.description,
        "notes": body.notes,
        "name": body.card.name,
    }
    with calling(request):
        payment, why = razorpay.pay(
            db,
            amount=body.amount,
            currency=body.currency,
            order=body.order_id,
            card=card,
            about=about,
            base=request.base_url,
        )
    if why is not None:  # the payment that failed stays: it can be read
        told = {
            "code": "BAD_REQUEST_ERROR",
            "description": why["message"],
            "source": "customer",
            "field": None,
        }
        told |= {"step": "payment_authorization", "reason": why.get("decline_code") or why["code"]}
        return web.Reply(
            {"error": told | {"metadata": {"payment_id": payment["id"], "order_id": body.order_id}}}, 400
        )
    if payment["status"] == "created":
        page = f"{request.base_url}/razorpay/payments/{payment['id']}/authenticate"
        return {"razorpay_payment_id": payment["id"], "next": [{"action": "redirect", "url": page}]}
    return _proof(payment, _credentials(request)[1])


def _proof(payment: Json, secret: str) -> Json:
    told = {"razorpay_payment_id": payment["id"]}
    if payment["order_id"]:
        told |= {
            "razorpay_order_id": payment["order_id"],
            "razorpay_signature": razorpay.signature(payment, secret),
        }
    return told


@v1.get("/payments", statuses=(400,))
def razorpay_list_payments(
    db: Db,
    count: Count = 10,
    skip: Skip = 0,
    since: Annotated[int, Query(alias="from", ge=0, le=2**40)] = 0,
    to: Moment = 0,
) -> Any:
    """List payments, the newest first."""
    return _collection(razorpay.listed(db, PAYMENT, count=count, skip=skip, since=since, until=to), "payment")


@v1.get("/payments/{id}", statuses=(400,))
def razorpay_get_payment(db: Db, id: Id) -> Any:
    """Read a payment."""
    return shown(razorpay.find(db, PAYMENT, id), "payment")


@v1.get("/payments/{id}/card", statuses=(400,))
def razorpay_get_card(db: Db, id: Id) -> Any:
    """Read the card of a payment."""
    return razorpay.find(db, PAYMENT, id)["card"]


@v1.patch("/payments/{id}", statuses=(400,))
def razorpay_edit_payment(db: Db, id: Id, body: NotesIn) -> Any:
    """Change the notes of a payment."""
    return shown(
        objects.save(db, razorpay.find(db, PAYMENT, id, lock=True) | {"notes": body.notes}), "payment"
    )


@v1.post("/payments/{id}/capture", statuses=(400,))
def razorpay_capture(db: Db, id: Id, body: CaptureIn) -> Any:
    """Capture a payment that is authorised."""
    return shown(razorpay.capture(db, id, body.amount, body.currency), "payment")


@v1.post("/payments/{id}/refund", statuses=(400,))
def razorpay_refund(db: Db, id: Id, body: RefundIn) -> Any:
    """Refund a payment, all that is left of it or less."""
    return shown(razorpay.refund(db, id, body.amount, body.notes, body.receipt), "refund")


@v1.get("/payments/{id}/refunds", statuses=(400,))
def razorpay_list_payment_refunds(db: Db, id: Id) -> Any:
    """List the refunds of a payment."""
    razorpay.find(db, PAYMENT, id)
    return _collection(
        razorpay.listed(db, REFUND, count=100, skip=0, since=0, until=0, payment_id=id), "refund"
    )


@v1.get("/payments/{id}/refunds/{refund}", statuses=(400,))
def razorpay_get_payment_refund(db: Db, id: Id, refund: Id) -> Any:
    """Read a refund of a payment."""
    found = razorpay.find(db, REFUND, refund)
    if found["payment_id"] != id:
        raise Refused("The id provided does not exist")
    return shown(found, "refund")


@v1.get("/refunds", statuses=(400,))
def razorpay_list_refunds(
    db: Db,
    count: Count = 10,
    skip: Skip = 0,
    since: Annotated[int, Query(alias="from", ge=0, le=2**40)] = 0,
    to: Moment = 0,
) -> Any:
    """List refunds, the newest first."""
    return _collection(razorpay.listed(db, REFUND, count=count, skip=skip, since=since, until=to), "refund")


@v1.get("/refunds/{id}", statuses=(400,))
def razorpay_get_refund(db: Db, id: Id) -> Any:
    """Read a refund."""
    return shown(razorpay.find(db, REFUND, id), "refund")


@pages.get("/payments/{id}/authenticate", statuses=(400, 404))
def razorpay_authenticate(db: Db, request: web.Request, id: Id) -> web.Reply:
    """Go to the bank's page of a payment."""
    payment = razorpay.find(db, PAYMENT, id)
    intent = objects.get(db, "payment_intent", payment["intent"])
    if intent["next_action"] is None:
        return web.Reply(payment["status"], media_type="text/plain; charset=utf-8")
    return web.Reply(
        "", 303, {"Location": intent["next_action"]["redirect_to_url"]["url"]}, media_type="text/plain"
    )


@pages.get("/payments/{id}/done", open_query=True, statuses=(400, 404))
def razorpay_done(db: Db, id: Id) -> Any:
    """Where the bank's page comes back to: how the payment stands."""
    payment = razorpay.find(db, PAYMENT, id)
    return {
        "razorpay_payment_id": payment["id"],
        "razorpay_order_id": payment["order_id"],
        "status": payment["status"],
    }
