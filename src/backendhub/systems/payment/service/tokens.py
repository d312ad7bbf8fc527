"""Tokens, and the older ways to pay: cards of customers and charges without an intent."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, CardError, missing
from backendhub.systems.payment.models import Json

from . import cards, charging, methods, money

TOKEN = resources.declare(resources.Resource("token", "tok", "/v1/tokens", metadata=False))
CARD = resources.declare(
    resources.Resource("card", "card", index=("customer",), expand={"customer": "customer"}, tells=False)
)
SOURCE = resources.declare(resources.Resource("source", "src", "/v1/sources", index=("customer",)))
SOURCE_TYPES = (
    "ach_credit_transfer", "ach_debit", "acss_debit", "alipay", "au_becs_debit", "bancontact", "card", "card_present", "eps",
    "giropay", "ideal", "klarna", "multibanco", "p24", "sepa_credit_transfer", "sepa_debit", "sofort", "three_d_secure",
    "wechat",
)  # fmt: skip
LINES = (
    "address_city",
    "address_country",
    "address_line1",
    "address_line2",
    "address_state",
    "address_zip",
    "name",
)
NO_CARD = "Must provide source or customer."


def create_token(db: Db, params: Json) -> Json:
    """Make a token of a card or a bank account."""
    if (card := params.get("card")) is not None:
        given: Json = card if isinstance(card, dict) else {}
        shape = _card_object({"id": objects.new_id("card")}, cards.checked(given), given)
        return objects.make(db, "token", {"card": shape, "client_ip": None, "type": "card", "used": False})
    if (account := params.get("bank_account")) is not None:
        shape = {
            "id": objects.new_id("ba"),
            "object": "bank_account",
            "account_holder_name": account.get("account_holder_name"),
            "account_holder_type": account.get("account_holder_type"),
            "bank_name": "BACKENDHUB TEST BANK",
            "country": account["country"],
            "currency": account.get("currency") or "usd",
            "fingerprint": cards.fingerprint(f"bank:{account['account_number']}"),
            "last4": account["account_number"][-4:],
            "routing_number": account.get("routing_number"),
            "status": "new",
        }
        return objects.make(
            db, "token", {"bank_account": shape, "client_ip": None, "type": "bank_account", "used": False}
        )
    if (pii := params.get("pii")) is not None or "cvc_update" in params:
        type = "pii" if pii is not None else "cvc_update"
        return objects.make(db, "token", {"client_ip": None, "type": type, "used": False})
    raise ApiError(
        "You must supply either a card, customer, PII data, bank account, or account legal entity to create a token."
    )


def _card_object(base: Json, shown: Json, given: Json) -> Json:
    """A card in the older shape."""
    return (
        base
        | {
            "object": "card",
            "address_city": None,
            "address_country": None,
            "address_line1": None,
            "address_line1_check": shown["checks"]["address_line1_check"],
            "address_line2": None,
            "address_state": None,
            "address_zip": None,
            "address_zip_check": shown["checks"]["address_postal_code_check"],
            "brand": shown["brand"].title()
            if shown["brand"] not in ("amex", "jcb")
            else _names[shown["brand"]],
            "country": shown["country"],
            "cvc_check": shown["checks"]["cvc_check"],
            "dynamic_last4": None,
            "exp_month": shown["exp_month"],
            "exp_year": shown["exp_year"],
            "fingerprint": shown["fingerprint"],
            "funding": shown["funding"],
            "last4": shown["last4"],
            "name": None,
            "networks": {"preferred": None},
            "regulated_status": shown["regulated_status"],
            "tokenization_method": None,
            "wallet": None,
        }
        | {k: given[k] for k in LINES if k in given}
    )


_names = {"amex": "American Express", "jcb": "JCB"}


def token_card(db: Db, token: str, param: str = "source") -> Json:
    """The card behind a token, in the older shape without an id. Raises ApiError where it was used."""
    word = token.removeprefix("tok_")
    if word in cards.NUMBERS:
        return _card_object({}, cards.of_token(word), {})
    found = objects.get(db, "token", token, param=param, lock=True)
    if found["used"]:
        raise ApiError(
            f"You cannot use a Stripe token more than once: {token}.", code="token_already_used", param=param
        )
    objects.save(db, found | {"used": True})
    shape: Json = found.get("card") or found.get("bank_account") or {}
    return {k: v for k, v in shape.items() if k != "id"}


def create_source(db: Db, params: Json) -> Json:
    """Make a source."""
    type = params.get("type") or "card"
    if type not in SOURCE_TYPES:
        raise ApiError(f"Invalid type: must be one of {', '.join(SOURCE_TYPES)}", param="type")
    details: Json = {}
    if params.get("token"):
        details = token_card(db, params["token"], "token")
    return objects.make(
        db,
        "source",
        {
            "amount": params.get("amount"),
            "client_secret": "src_client_secret_" + objects.new_id("", 24)[1:],
            "currency": params.get("currency"),
            "flow": params.get("flow") or "none",
            "metadata": params.get("metadata") or {},
            "owner": {"address": None, "email": None, "name": None, "phone": None}
            | (params.get("owner") or {}),
            "redirect": params.get("redirect"),
            "statement_descriptor": params.get("statement_descriptor"),
            "status": "chargeable",
            "type": type,
            "usage": params.get("usage") or "reusable",
            type: {k: v for k, v in details.items() if k != "object"} | (params.get(type) or {}),
        },
    )


def read_source(db: Db, id: str, params: Json) -> Json:
    """Read a source."""
    return objects.get(db, "source", id)


def edit_source(db: Db, id: str, params: Json) -> Json:
    """Change a source."""
    old = objects.get(db, "source", id, lock=True)
    given = dict(params)
    if "owner" in given:
        given["owner"] = old["owner"] | (given["owner"] or {})
    return objects.save(db, objects.changed(old, given))


# -- cards of customers ------------------------------------------------------------------------------------


def add_card(db: Db, customer: str, params: Json) -> Json:
    """Add a card to a customer."""
    owner = objects.get(db, "customer", customer, lock=True)
    given = params["source"]
    if isinstance(given, str) and given.startswith("src_"):
        found = objects.get(db, "source", given, param="source", lock=True)
        return objects.save(db, found | {"customer": customer})
    shape = (
        _card_object({}, cards.checked(given, "source"), given)
        if isinstance(given, dict)
        else token_card(db, given)
    )
    behaviour = cards.behaviour(shape.get("fingerprint"))
    if (why := cards.declines(shape)) and behaviour.at_setup and behaviour.risk == "normal":
        told = cards.decline(why)
        raise CardError(
            told["message"], code=told["code"], param=told.get("param"), decline_code=told["decline_code"]
        )
    made = objects.make(db, "card", shape | {"customer": customer, "metadata": params.get("metadata") or {}})
    del made["created"]
    if owner["default_source"] is None:
        objects.save(db, owner | {"default_source": made["id"]})
    events.emit(db, "customer.source.created", made)
    return made


def get_card(db: Db, customer: str, id: str, params: Json) -> Json:
    """Read a card or source of a customer."""
    kind = "source" if id.startswith("src_") else "card"
    found = objects.get(db, kind, id)
    if found.get("customer") != customer:
        raise missing(kind, id)
    return found


def edit_card(db: Db, customer: str, id: str, params: Json) -> Json:
    """Change a card of a customer."""
    old = get_card(db, customer, id, {})
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "customer.source.updated", old, fresh)
    return fresh


def delete_card(db: Db, customer: str, id: str, params: Json) -> Json:
    """Delete a card of a customer."""
    old = get_card(db, customer, id, {})
    owner = objects.get(db, "customer", customer, lock=True)
    gone = objects.delete(db, old["object"], id)
    if owner["default_source"] == id:
        rest = objects.where(db, "card", customer=customer, limit=1)
        objects.save(db, owner | {"default_source": rest[0]["id"] if rest else None})
    events.emit(db, "customer.source.deleted", old)
    return gone


# -- charges without an intent -----------------------------------------------------------------------------


def charge(db: Db, params: Json) -> Json:
    """Charge a card at once."""
    for name in ("amount", "currency"):
        if params.get(name) is None:
            raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    money.checked(params["amount"], params["currency"])
    shape, source = _source(db, params)
    method = _as_method(shape)
    about = {k: params.get(k) for k in charging.OF_INTENT if k in params} | {"source": shape}
    about["metadata"] = params.get("metadata") or {}
    behaviour = cards.behaviour(shape.get("fingerprint"))
    if (code := cards.declines(shape)) or behaviour.authenticate in ("always", "setup"):
        why = cards.decline(code or "authentication_required")
        failed = charging.build(db, about, method, status="failed", failure=why)
        rest = {k: v for k, v in why.items() if k not in ("type", "code", "message", "param")}
        raise CardError(why["message"], code=why["code"], param=why.get("param"), charge=failed["id"], **rest)
    return charging.succeed(
        db, about | {"payment_method": source}, method, capture=params.get("capture", True)
    )


def capture(db: Db, id: str, params: Json) -> Json:
    """Capture a charge that was only authorised."""
    found = objects.get(db, "charge", id, lock=True)
    if found["payment_intent"]:
        raise ApiError("This charge belongs to a PaymentIntent: capture that.", param="id")
    if found["refunded"]:
        raise ApiError(f"Charge {id} has already been refunded.", code="charge_already_refunded")
    amount = (found | params)["amount"]
    return charging.captured_later(db, found, amount)


def edit_charge(db: Db, id: str, params: Json) -> Json:
    """Change a charge."""
    old = objects.get(db, "charge", id, lock=True)
    fresh = objects.save(db, objects.changed(old, params))
    events.updated(db, "charge.updated", old, fresh)
    return fresh


def _source(db: Db, params: Json) -> tuple[Json, str | None]:
    """The card to charge and its id."""
    given: Any = params.get("source")
    if isinstance(given, dict):
        shape = _card_object({"id": objects.new_id("card")}, cards.checked(given, "source"), given)
        return shape, str(shape["id"])
    if params.get("customer"):
        owner = objects.get(db, "customer", params["customer"], param="customer")
        id = given or owner["default_source"]
        if id is None:
            raise CardError("Cannot charge a customer that has no active card", code="missing", param="card")
        if not id.startswith("tok_"):
            return get_card(db, owner["id"], id, {}), id
        given = id
    if given is None:
        raise ApiError(NO_CARD, code="parameter_missing")
    if given.startswith("src_"):
        found = objects.get(db, "source", given, param="source")
        return _card_object({"id": given}, cards.of_token("visa"), {}) | found.get(found["type"], {}) | {
            "id": given
        }, given
    shape = token_card(db, given) | {"id": objects.new_id("card")}
    return shape, str(shape["id"])


def _as_method(shape: Json) -> Json:
    """A card of the older shape as a payment method."""
    card = cards.shown("4242424242424242", shape["exp_month"], shape["exp_year"], True) | {
        k: shape[k] for k in ("country", "fingerprint", "funding", "last4")
    }
    card["brand"] = next((k for k, v in _names.items() if v == shape["brand"]), str(shape["brand"]).lower())
    checks = {"cvc_check": shape["cvc_check"], "address_line1_check": shape["address_line1_check"]}
    card["checks"] = card["checks"] | checks | {"address_postal_code_check": shape["address_zip_check"]}
    billing = methods.BILLING | {"name": shape.get("name"), "address": dict(methods.ADDRESS)}
    return {"id": shape.get("id"), "type": "card", "card": card, "billing_details": billing}
