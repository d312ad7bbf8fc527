"""Setup intents: a payment method is authenticated and kept, to be charged later."""

from __future__ import annotations

from typing import NoReturn

from backendhub.kit.db import Db
from backendhub.kit.states import Machine, Move
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json, call

from . import cards, confirming, intents, methods

SETUP = resources.declare(
    resources.Resource(
        "setup_intent",
        "seti",
        "/v1/setup_intents",
        index=("customer", "payment_method", "status", "usage"),
        expand={
            "customer": "customer",
            "payment_method": "payment_method",
            "latest_attempt": "setup_attempt",
            "mandate": "mandate",
        },
    )
)
ATTEMPT = resources.declare(
    resources.Resource(
        "setup_attempt",
        "setatt",
        "/v1/setup_attempts",
        index=("setup_intent",),
        expand={"customer": "customer", "payment_method": "payment_method", "setup_intent": "setup_intent"},
        metadata=False,
    )
)
SETUPS = Machine(
    "setup intent",
    table="payment_object",
    column="status",
    initial="requires_payment_method",
    moves=(
        Move("provide", "requires_payment_method", "requires_confirmation", "A payment method is there"),
        Move("provide", "requires_action", "requires_confirmation", "Confirmed again"),
        Move("act", "requires_confirmation", "requires_action", "The customer has to authenticate"),
        Move("succeed", "requires_confirmation", "succeeded", "It can be charged later"),
        Move("succeed", "requires_action", "succeeded", "Authenticated: it can be charged later"),
        Move("decline", "requires_confirmation", "requires_payment_method", "Refused"),
        Move("decline", "requires_action", "requires_payment_method", "Not authenticated"),
        Move("cancel", "requires_payment_method", "canceled", "Given up"),
        Move("cancel", "requires_confirmation", "canceled", "Given up"),
        Move("cancel", "requires_action", "canceled", "Given up"),
    ),
)
DEFAULTS: Json = {
    "application": None,
    "attach_to_self": False,
    "automatic_payment_methods": None,
    "cancellation_reason": None,
    "customer": None,
    "customer_account": None,
    "description": None,
    "excluded_payment_method_types": None,
    "flow_directions": None,
    "last_setup_error": None,
    "latest_attempt": None,
    "mandate": None,
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {
        "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    },
    "single_use_mandate": None,
    "usage": "off_session",
}
KEPT = ("customer", "description", "metadata", "on_behalf_of", "usage", "flow_directions", "attach_to_self")
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(db: Db, params: Json) -> Json:
    """Make a setup intent; `confirm` confirms it in the same request."""
    if params.get("customer"):
        objects.get(db, "customer", params["customer"], param="customer")
    id = objects.new_id("seti")
    given = {k: params[k] for k in KEPT if k in params}
    wide = (
        DEFAULTS
        | {"client_secret": f"{id}_secret_{objects.new_id('', 25)[1:]}"}
        | intents.types_of(params)
        | given
    )
    wide["metadata"] = wide.get("metadata") or {}
    setup = objects.make(db, "setup_intent", wide, id=id, status="requires_payment_method")
    events.emit(db, "setup_intent.created", setup)
    if params.get("confirm"):
        return confirmed(db, setup, params)
    return _with_method(db, setup, params)


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a setup intent."""
    setup = _locked(db, id)
    _open(setup, "updated")
    given = {k: params[k] for k in KEPT if k in params}
    if params.get("payment_method_types"):
        given |= intents.types_of(params) | {"automatic_payment_methods": None}
    return _with_method(db, objects.save(db, objects.changed(setup, given)), params)


def confirm(db: Db, id: str, params: Json) -> Json:
    """Confirm a setup intent."""
    return confirmed(db, _locked(db, id), params)


def cancel(db: Db, id: str, params: Json) -> Json:
    """Cancel a setup intent."""
    setup = _locked(db, id)
    _open(setup, "canceled")
    fresh = _moved(
        db, setup | {"cancellation_reason": params.get("cancellation_reason"), "next_action": None}, "cancel"
    )
    events.emit(db, "setup_intent.canceled", fresh)
    return fresh


def read(db: Db, id: str, params: Json) -> Json:
    """Read a setup intent."""
    found = objects.get(db, "setup_intent", id)
    if params.get("client_secret") not in (None, found["client_secret"]):
        raise ApiError("The client_secret provided does not match this SetupIntent.", param="client_secret")
    return found


def confirmed(db: Db, setup: Json, params: Json) -> Json:
    """A setup intent after an attempt. Raises ApiError, and CardError where the card is refused."""
    _open(setup, "confirmed")
    setup = _with_method(db, setup, params)
    if setup["payment_method"] is None:
        raise ApiError(
            confirming.NO_METHOD.replace("PaymentIntent", "SetupIntent"),
            code="setup_intent_unexpected_state",
            setup_intent=setup,
        )
    method = objects.get(db, "payment_method", setup["payment_method"], param="payment_method")
    if setup["status"] == "requires_action":
        setup = _moved(db, setup | {"next_action": None}, "provide")
    behaviour = cards.behaviour((method.get("card") or {}).get("fingerprint"))
    if (why := cards.declines(method.get("card") or {})) and behaviour.at_setup:
        _refuse(db, setup, method, cards.decline(why))
    wanted = behaviour.authenticate in ("always", "setup") and not confirming.was_set_up(db, method)
    if wanted or method["type"] in methods.REDIRECTS:
        return _action(db, setup, params.get("return_url"))
    return _succeed(db, setup, method)


def answered(db: Db, id: str, *, success: bool) -> Json:
    """What becomes of a setup intent when its customer has authenticated, or has not."""
    setup = _locked(db, id)
    if setup["status"] != "requires_action":
        raise _unexpected(setup, "confirmed")
    method = objects.get(db, "payment_method", setup["payment_method"])
    setup = setup | {"next_action": None}
    if success:
        return _succeed(db, setup, method)
    message = confirming.NOT_AUTHENTICATED.replace("PaymentIntent", "SetupIntent")
    why = {"type": "invalid_request_error", "code": "setup_intent_authentication_failure", "message": message}
    return _failed(db, setup, method, why)


def _succeed(db: Db, setup: Json, method: Json) -> Json:
    if setup["customer"] and method["customer"] is None:
        methods.attached(db, method, setup["customer"])
    attempt = _attempt(db, setup, method, "succeeded")
    fresh = _moved(db, setup | {"latest_attempt": attempt["id"], "last_setup_error": None}, "succeed")
    events.emit(db, "setup_intent.succeeded", fresh)
    return fresh


def _action(db: Db, setup: Json, url: str | None) -> Json:
    page = f"{call().base_url}/authenticate/{setup['id']}?client_secret={setup['client_secret']}"
    todo: Json = {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page},
    }
    if url is not None:
        todo = {"type": "redirect_to_url", "redirect_to_url": {"return_url": url, "url": page}}
    fresh = _moved(db, setup | {"next_action": todo}, "act")
    events.emit(db, "setup_intent.requires_action", fresh)
    return fresh


def _refuse(db: Db, setup: Json, method: Json, why: Json) -> NoReturn:
    fresh = _failed(db, setup, method, why)
    rest = {k: v for k, v in why.items() if k not in ("type", "code", "message", "param")}
    raise CardError(
        why["message"],
        code=why["code"],
        param=why.get("param"),
        setup_intent=fresh,
        payment_method=method,
        **rest,
    )


def _failed(db: Db, setup: Json, method: Json, why: Json) -> Json:
    attempt = _attempt(db, setup, method, "failed", why)
    fresh = setup | {
        "last_setup_error": why | {"payment_method": method},
        "latest_attempt": attempt["id"],
        "payment_method": None,
    }
    fresh = _moved(db, fresh, "decline")
    events.emit(db, "setup_intent.setup_failed", fresh)
    return fresh


def _attempt(db: Db, setup: Json, method: Json, status: str, why: Json | None = None) -> Json:
    return objects.make(
        db,
        "setup_attempt",
        {
            "application": None,
            "customer": setup["customer"],
            "on_behalf_of": setup["on_behalf_of"],
            "payment_method": method["id"],
            "payment_method_details": {"type": method["type"], method["type"]: {"three_d_secure": None}},
            "setup_error": why,
            "setup_intent": setup["id"],
            "status": status,
            "usage": setup["usage"],
        },
    )


def _with_method(db: Db, setup: Json, params: Json) -> Json:
    method = intents.method_of(db, setup, params)
    if method is None:
        return setup
    fresh = setup | {"payment_method": method["id"], "next_action": None}
    return (
        objects.save(db, fresh)
        if setup["status"] == "requires_confirmation"
        else _moved(db, fresh, "provide")
    )


def _locked(db: Db, id: str) -> Json:
    return objects.get(db, "setup_intent", id, lock=True)


def _moved(db: Db, setup: Json, verb: str) -> Json:
    status = SETUPS.move(db, objects.key_of(db, "setup_intent", setup["id"]), verb)
    return objects.save(db, setup | {"status": status})


def _open(setup: Json, verb: str) -> None:
    if setup["status"] not in OPEN:
        raise _unexpected(setup, verb)


def _unexpected(setup: Json, verb: str) -> ApiError:
    return ApiError(
        f"This SetupIntent could not be {verb} because it has a status of {setup['status']}. Only a SetupIntent with one of "
        f"the following statuses may be {verb}: {', '.join(OPEN)}.",
        code="setup_intent_unexpected_state",
        setup_intent=setup,
    )
