"""Payment methods: cards and others, the test tokens `pm_card_…`, attaching to customers."""

from __future__ import annotations

import re
from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects, resources
from backendhub.systems.payment.errors import ApiError, CardError, missing
from backendhub.systems.payment.models import Json

from . import cards

METHOD = resources.declare(
    resources.Resource(
        "payment_method",
        "pm",
        "/v1/payment_methods",
        index=("customer", "type"),
        expand={"customer": "customer"},
    )
)
DEBITS = ("acss_debit", "au_becs_debit", "bacs_debit", "sepa_debit", "us_bank_account")
"""Types whose payments take days."""
REDIRECTS = (
    "affirm", "afterpay_clearpay", "alipay", "alma", "amazon_pay", "bancontact", "billie", "cashapp", "eps", "fpx",
    "giropay", "grabpay", "ideal", "kakao_pay", "klarna", "mobilepay", "naver_pay", "p24", "pay_by_bank", "payco",
    "paypal", "revolut_pay", "samsung_pay", "satispay", "sofort", "swish", "twint", "wechat_pay", "zip",
)  # fmt: skip
"""Types whose buyers are sent to another page."""
OTHERS = (
    "link",
    "card_present",
    "boleto",
    "konbini",
    "oxxo",
    "multibanco",
    "customer_balance",
    "pix",
    "promptpay",
    "upi",
)
TYPES = ("card", *DEBITS, *REDIRECTS, *OTHERS)
ACCOUNTS = {
    "success": "000123456789",
    "accountClosed": "000111111113",
    "noAccount": "000111111116",
    "insufficientFunds": "000222222227",
    "debitNotAuthorized": "000333333335",
}
"""Test accounts by the word of their token (`pm_usBankAccount_…`)."""
BILLING: Json = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def create(db: Db, params: Json) -> Json:
    """Make a payment method."""
    if params.get("payment_method"):
        return _clone(db, params)
    if not params.get("type"):
        raise ApiError("Missing required param: type.", code="parameter_missing", param="type")
    return build(db, params)


def build(db: Db, given: Json) -> Json:
    """A payment method from `type` and what belongs to it (`payment_method_data`). Raises ApiError, CardError."""
    type = given["type"]
    if type not in TYPES:
        raise ApiError(f'The payment method type "{type[:100]}" is invalid.', param="type")
    own = given.get(type)
    if type == "card":
        details = _card(db, own or {})
    else:
        details = _details(type, own or {})
    billing = BILLING | {"address": dict(ADDRESS)} | (given.get("billing_details") or {})
    billing["address"] = ADDRESS | (billing["address"] or {})
    return objects.make(
        db,
        "payment_method",
        {
            "allow_redisplay": given.get("allow_redisplay") or "unspecified",
            "billing_details": billing,
            "customer": None,
            "customer_account": None,
            "metadata": given.get("metadata") or {},
            "type": type,
            type: details,
        },
    )


def _card(db: Db, given: Json) -> Json:
    if token := given.get("token"):
        word = token.removeprefix("tok_")
        if word in cards.NUMBERS:
            return cards.of_token(word)
        found = objects.get(db, "token", token, param="card[token]")
        return {
            k: v for k, v in found["card"].items() if k in cards.shown("4242424242424242", 1, 2030, True)
        } | {
            "checks": cards.shown("4242424242424242", 1, 2030, True)["checks"]
            | dict(cards.behaviour(found["card"]["fingerprint"]).checks)
        }
    if "number" not in given:
        raise ApiError(
            "Missing required param: card[number].", code="parameter_missing", param="card[number]"
        )
    return cards.checked(given)


def _details(type: str, given: Json) -> Json:
    """What is shown of a method that is no card: the last four digits of numbers."""
    shown: Json = {}
    for name, value in given.items():
        if name in ("account_number", "iban"):
            shown["last4"] = str(value)[-4:]
            shown["fingerprint"] = cards.fingerprint(f"{type}:{value}")
        else:
            shown[name] = value
    return shown


def _clone(db: Db, params: Json) -> Json:
    old = named(db, params["payment_method"])
    return objects.make(
        db,
        "payment_method",
        {k: v for k, v in old.items() if k not in ("id", "created")} | {"customer": None},
    )


def named(db: Db, id: str, *, param: str = "payment_method", lock: bool = False) -> Json:
    """A payment method by its id; a test token (`pm_card_visa`) or an old card or source becomes one.

    Raises ApiError (resource_missing).
    """
    if match := re.fullmatch(r"pm_card_(\w+)", id):
        if match[1] not in cards.NUMBERS:
            raise missing("payment_method", id, param)
        return build(db, {"type": "card", "card": {"token": f"tok_{match[1]}"}})
    if (match := re.fullmatch(r"pm_usBankAccount(?:_(\w+))?", id)) and (match[1] or "success") in ACCOUNTS:
        own = {"account_number": ACCOUNTS[match[1] or "success"], "routing_number": "110000000"}
        return build(db, {"type": "us_bank_account", "us_bank_account": own})
    return objects.get(db, "payment_method", id, param=param, lock=lock)


def edit(db: Db, id: str, params: Json) -> Json:
    """Change a payment method."""
    old = objects.get(db, "payment_method", id, lock=True)
    given = dict(params)
    if billing := given.get("billing_details"):
        fresh = old["billing_details"] | billing
        given["billing_details"] = fresh | {"address": ADDRESS | (fresh.get("address") or {})}
    if card := given.get("card"):
        given["card"] = old["card"] | {k: v for k, v in card.items() if k in ("exp_month", "exp_year")}
    fresh = objects.save(db, objects.changed(old, given))
    events.updated(db, "payment_method.updated", old, fresh)
    return fresh


def attach(db: Db, id: str, params: Json) -> Json:
    """Attach a payment method to a customer."""
    customer = objects.get(db, "customer", params["customer"], param="customer")
    method = named(db, id, param="id", lock=True)
    behaviour = cards.behaviour((method.get("card") or {}).get("fingerprint"))
    if (
        (why := cards.declines(method.get("card") or {}))
        and behaviour.at_setup
        and behaviour.risk == "normal"
    ):
        raise _error(cards.decline(why))
    return attached(db, method, customer["id"])


def attached(db: Db, method: Json, customer: str) -> Json:
    """A payment method that belongs to a customer from now on. Raises ApiError where it belongs to another."""
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        raise ApiError(
            "The payment method you provided has already been attached to a customer.",
            code="resource_already_exists",
            param="payment_method",
        )
    fresh = objects.save(db, method | {"customer": customer})
    events.emit(db, "payment_method.attached", fresh)
    return fresh


def detach(db: Db, id: str, params: Json) -> Json:
    """Detach a payment method from its customer."""
    method = objects.get(db, "payment_method", id, lock=True)
    if method["customer"] is None:
        raise ApiError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    fresh = objects.save(db, method | {"customer": None})
    events.emit(db, "payment_method.detached", fresh, previous={"customer": method["customer"]})
    return fresh


def of_customer(db: Db, customer: str, method: str, params: Json) -> Json:
    """Read a payment method of a customer."""
    found = objects.get(db, "payment_method", method)
    if found["customer"] != customer:
        raise missing("payment_method", method)
    return found


def default_of(customer: Json) -> str | None:
    """The payment method that a customer's payments are taken from."""
    settings: Any = customer.get("invoice_settings") or {}
    return settings.get("default_payment_method") or customer.get("default_source")


def _error(told: Json) -> CardError:
    rest = {k: v for k, v in told.items() if k not in ("type", "code", "message", "param")}
    return CardError(told["message"], code=told["code"], param=told.get("param"), **rest)
