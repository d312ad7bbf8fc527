"""PayPal's Orders v2 and Payments v2 under `/paypal`: orders with a page for the buyer, captures, authorisations, refunds."""

from __future__ import annotations

import re
from base64 import b64decode
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.money import Money

from .models import Json
from .service import paypal
from .service.paypal import Unprocessable, said
from .wire.dialect import authenticate
from .wire.operations import calling, router

NAMES = {
    400: ("INVALID_REQUEST", "Request is not well-formed, syntactically incorrect, or violates schema."),
    401: ("AUTHENTICATION_FAILURE", "Authentication failed due to invalid authentication credentials."),
    404: ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
    409: ("RESOURCE_CONFLICT", "The server has detected a conflict while processing this request."),
    422: (
        "UNPROCESSABLE_ENTITY",
        "The requested action could not be performed, semantically incorrect, or failed business validation.",
    ),
}
SCHEMA: Json = {
    "title": "PayPalError",
    "type": "object",
    "required": ["name", "message"],
    "properties": {
        "name": {"type": "string"},
        "message": {"type": "string"},
        "debug_id": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
}


class PayPal(web.Dialect):
    """Errors as `name`, `message`, `debug_id` and `details[].issue`."""

    name, description, media_type, schema = "PayPalError", "An error (PayPal)", "application/json", SCHEMA

    def status(self, error: HubError) -> int:
        """A body that breaks the schema is a 400, a rule of the business a 422."""
        return error.status if isinstance(error, Unprocessable) else super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        name, message = NAMES.get(error.status, ("INTERNAL_SERVER_ERROR", error.message))
        details: list[Json] = []
        if isinstance(error, Unprocessable):
            details = [
                {"issue": error.issue, "description": error.message}
                | ({"field": error.field} if error.field else {})
            ]
        elif found := error.details.get("errors"):
            details = [
                {
                    "field": e.get("pointer") or e.get("name"),
                    "issue": _issue(e.get("code", "")),
                    "description": e.get("detail"),
                }
                for e in found
            ]
        told: Json = {
            "name": name,
            "message": message,
            "debug_id": request.id,
            "details": details,
            "links": [],
        }
        return web.Reply(told, error.status, media_type=self.media_type)


def _issue(code: str) -> str:
    return "MISSING_REQUIRED_PARAMETER" if code == "missing" else "INVALID_PARAMETER_VALUE"


def _who(db: Db | None, request: web.Request) -> Principal | None:
    """Whoever has a token of `/paypal/v1/oauth2/token`; with `--auth token` an API key."""
    header = request.header("authorization")
    if header is None or request.hub.settings.get("auth") == "token":
        return authenticate(db, request)
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "basic":
        id, _, secret = _pair(token)
        if not (id and secret):
            raise Unauthenticated("Client Authentication failed")
    elif not re.fullmatch(r"A21[0-9A-Za-z]{40}", token):
        raise Unauthenticated("Token signature verification failed")
    return Principal("acct_1", "account", via="api-key")


def _pair(token: str) -> tuple[str, str, str]:
    try:
        return b64decode(token, validate=True).decode().partition(":")
    except ValueError:
        raise Unauthenticated("Client Authentication failed") from None


family = router.family(
    "/paypal",
    dialect=PayPal(invalid=400),
    auth=web.Authenticator(_who, schemes={"paypal": {"type": "http", "scheme": "bearer"}}),
    guard=web.require(),
)
Text = Annotated[str, Field(max_length=127, pattern=r"^[^\x00]*$")]
Url = Annotated[str, Field(max_length=4000, pattern=r"^https?://[^\s\x00]+$")]
Id = Annotated[str, Field(max_length=36)]


class Loose(BaseModel):
    """A body; what is not looked at is passed over, as on that wire."""

    model_config = ConfigDict(extra="ignore", strict=True)


class AmountIn(Loose):
    """An amount."""

    currency_code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    value: Annotated[str, Field(pattern=r"^\d{1,12}(\.\d{1,6})?$")]


class UnitIn(Loose):
    """A purchase unit."""

    amount: AmountIn
    reference_id: Text | None = None
    description: Text | None = None
    custom_id: Text | None = None
    invoice_id: Text | None = None


class ContextIn(Loose):
    """Where the buyer goes back to."""

    return_url: Url | None = None
    cancel_url: Url | None = None


class ExperienceIn(Loose):
    """What a payment source says of the way back."""

    experience_context: ContextIn | None = None


class CardIn(Loose):
    """A card."""

    number: Annotated[str, Field(pattern=r"^\d{12,19}$")]
    expiry: Annotated[str, Field(pattern=r"^\d{4}-\d{2}$")]
    security_code: Annotated[str, Field(pattern=r"^\d{3,4}$")] | None = None
    name: Text | None = None


class SourceIn(Loose):
    """What pays."""

    card: CardIn | None = None
    paypal: ExperienceIn | None = None


class OrderIn(Loose):
    """An order."""

    intent: Annotated[str, Field(pattern="^(CAPTURE|AUTHORIZE)$")]
    purchase_units: Annotated[list[UnitIn], Field(min_length=1, max_length=1)]
    application_context: ContextIn | None = None
    payment_source: SourceIn | None = None


class PartIn(Loose):
    """How much of it."""

    amount: AmountIn | None = None
    note_to_payer: Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")] | None = None


class OAuth(web.Dialect):
    """The errors of a token endpoint (RFC 6749 §5.2)."""

    name = "OAuthError"
    description = "No token is given"
    media_type = "application/json"
    schema = {
        "title": "OAuthError",
        "type": "object",
        "required": ["error", "error_description"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    }

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        code = "invalid_client" if error.status == 401 else "invalid_request"
        told = {"error": code, "error_description": error.message}
        return web.Reply(told, error.status, media_type=self.media_type)


tokens = family.family("/v1/oauth2", dialect=OAuth(invalid=400))


@tokens.post("/token", public=True, consumes=("*/*",), statuses=(401,))
def paypal_token(request: web.Request) -> Any:
    """Get an access token for client credentials (Basic)."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    id, _, secret = _pair(rest) if scheme.lower() == "basic" else ("", "", "")
    if not id or not secret:
        raise Unauthenticated("Client Authentication failed")
    token = "A21" + sha256(f"{id}:{secret}".encode()).hexdigest()[:40]
    scope = "https://uri.paypal.com/services/payments/payment/authcapture"
    return {
        "scope": scope,
        "access_token": token,
        "token_type": "Bearer",
        "app_id": "APP-1",
        "expires_in": 32400,
    }


def _unit(unit: UnitIn) -> Json:
    return {k: v for k, v in unit.model_dump().items() if v is not None}


@family.post("/v2/checkout/orders", status=201, statuses=(422,))
def paypal_add_order(db: Db, request: web.Request, body: OrderIn) -> Any:
    """Make an order; `payment_source.card` pays at once, otherwise the buyer goes to the link `approve`."""
    source = body.payment_source or SourceIn()
    context = (
        body.application_context
        or (source.paypal.experience_context if source.paypal else None)
        or ContextIn()
    )
    card = None
    if source.card is not None:
        year, month = source.card.expiry.split("-")
        number = {"number": source.card.number, "exp_month": int(month), "exp_year": int(year)}
        card = number | {"cvc": source.card.security_code}
    with calling(request):
        made = paypal.add_order(
            db,
            intent=body.intent,
            unit=_unit(body.purchase_units[0]),
            context=context.model_dump(),
            card=card,
        )
    return _order(db, request, made)


@family.get("/v2/checkout/orders/{id}")
def paypal_get_order(db: Db, request: web.Request, id: Id) -> Any:
    """Read an order."""
    return _order(db, request, paypal.find(db, paypal.ORDER, id))


@family.post("/v2/checkout/orders/{id}/capture", status=201, consumes=("*/*",), statuses=(422,))
def paypal_capture_order(db: Db, request: web.Request, id: Id) -> Any:
    """Capture an order that its buyer has approved."""
    with calling(request):
        return _order(db, request, paypal.take(db, id, kind="CAPTURE"))


@family.post("/v2/checkout/orders/{id}/authorize", status=201, consumes=("*/*",), statuses=(422,))
def paypal_authorize_order(db: Db, request: web.Request, id: Id) -> Any:
    """Authorise an order that its buyer has approved."""
    with calling(request):
        return _order(db, request, paypal.take(db, id, kind="AUTHORIZE"))


@family.get("/v2/payments/captures/{id}")
def paypal_get_capture(db: Db, request: web.Request, id: Id) -> Any:
    """Read a capture."""
    return _payment(request, paypal.find(db, paypal.CAPTURE, id), "captures")


@family.post("/v2/payments/captures/{id}/refund", status=201, statuses=(422,))
def paypal_refund(db: Db, request: web.Request, id: Id, body: PartIn) -> Any:
    """Refund a capture, all that is left of it or less."""
    value = body.amount.model_dump() if body.amount else None
    return _payment(request, paypal.refund(db, id, value, body.note_to_payer), "refunds")


@family.get("/v2/payments/refunds/{id}")
def paypal_get_refund(db: Db, request: web.Request, id: Id) -> Any:
    """Read a refund."""
    return _payment(request, paypal.find(db, paypal.REFUND, id), "refunds")


@family.get("/v2/payments/authorizations/{id}")
def paypal_get_authorization(db: Db, request: web.Request, id: Id) -> Any:
    """Read an authorisation."""
    return _payment(request, paypal.find(db, paypal.AUTHORIZATION, id), "authorizations")


@family.post("/v2/payments/authorizations/{id}/capture", status=201, statuses=(422,))
def paypal_capture_authorization(db: Db, request: web.Request, id: Id, body: PartIn) -> Any:
    """Capture what is authorised, all of it or less."""
    value = body.amount.model_dump() if body.amount else None
    with calling(request):
        return _payment(request, paypal.capture_authorization(db, id, value), "captures")


@family.post("/v2/payments/authorizations/{id}/void", status=204, consumes=("*/*",), statuses=(422,))
def paypal_void(db: Db, request: web.Request, id: Id) -> None:
    """Give back what is authorised."""
    paypal.void_authorization(db, id)


# -- shapes ------------------------------------------------------------------------------------------------


def _order(db: Db, request: web.Request, order: Json) -> Json:
    base = f"{request.base_url}/paypal"
    here = f"{base}/v2/checkout/orders/{order['id']}"
    links = [_link(here, "self", "GET")]
    if order["state"] == "CREATED":
        links.append(_link(f"{base}/checkoutnow?token={order['id']}", "approve", "GET"))
    if order["state"] in ("CREATED", "APPROVED"):
        verb = "capture" if order["intent_kind"] == "CAPTURE" else "authorize"
        links.append(_link(f"{here}/{verb}", verb, "POST"))
    payments = {
        name: [_payment(request, each, name) for each in found]
        for name, found in paypal.of_order(db, order["id"]).items()
    }
    unit = order["purchase_unit"] | ({"payments": payments} if payments else {})
    told = {
        "id": order["id"],
        "intent": order["intent_kind"],
        "status": order["state"],
        "purchase_units": [unit],
    }
    payer = {"payer": order["payer"]} if order["payer"] else {}
    return (
        told | payer | {"create_time": order["made_at"], "update_time": order["updated_at"], "links": links}
    )


def _payment(request: web.Request, data: Json, kind: str) -> Json:
    base = f"{request.base_url}/paypal/v2/payments"
    here = f"{base}/{kind}/{data['id']}"
    links = [_link(here, "self", "GET")]
    told: Json = {
        "id": data["id"],
        "status": data["state"],
        "amount": said(Money(data["minor"], data["currency"])),
    }
    told |= {name: data[name] for name in ("invoice_id", "custom_id") if data[name] is not None}
    if kind == "captures":
        told |= {"final_capture": True, "seller_receivable_breakdown": data["breakdown"]}
        links.append(_link(f"{here}/refund", "refund", "POST"))
    elif kind == "authorizations":
        told["expiration_time"] = data["expires"]
        if data["state"] == "CREATED":
            links += [_link(f"{here}/capture", "capture", "POST"), _link(f"{here}/void", "void", "POST")]
    else:
        told |= {"note_to_payer": data["note"]} if data["note"] else {}
        links.append(_link(f"{base}/captures/{data['capture']}", "up", "GET"))
    if kind != "refunds":
        links.append(_link(f"{request.base_url}/paypal/v2/checkout/orders/{data['order']}", "up", "GET"))
    return told | {"create_time": data["made_at"], "update_time": data["updated_at"], "links": links}


def _link(href: str, rel: str, method: str) -> Json:
    return {"href": href, "rel": rel, "method": method}
