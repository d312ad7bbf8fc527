"""What a buyer does on the page of a Checkout Session, and what comes of it."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment import events, objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Json, call
from backendhub.systems.payment.service import confirming, customers, intents, methods, setups

from . import codes, discounting, ending, invoicing, selling, sessions, starting, subscriptions
from .times import living

INTENT_DATA = (
    "capture_method", "description", "metadata", "receipt_email", "setup_future_usage", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip
SUBSCRIPTION_DATA = (
    "billing_cycle_anchor", "default_tax_rates", "description", "invoice_settings", "metadata", "proration_behavior",
    "trial_end", "trial_period_days", "trial_settings",
)  # fmt: skip


def open_session(db: Db, id: str) -> Json:
    """A session that can be paid now, locked. Raises ApiError where its time is over."""
    session = sessions.locked(db, id)
    if session["status"] != "open":
        raise ApiError("This session is over.", code="checkout_session_over")
    if session["expires_at"] <= objects.now():
        raise ApiError("This session has expired.", code="checkout_session_over")
    return session


def code_typed(db: Db, id: str, code: str) -> Json:
    """A session with the promotion code that a buyer has typed; an empty one takes it off. Raises ApiError."""
    details = objects.get(db, "checkout.details", id, lock=True)
    with living(db, details):
        session = open_session(db, id)
        if not session["allow_promotion_codes"] or details["redeemed"]:
            raise ApiError("This session takes no code.", param="promotion_code")
        told: list[Json] = []
        if code:
            found = codes.typed(db, code, session["customer"], _worth(session))
            told = [{"coupon": None, "promotion_code": found["id"]}]
        fresh, lines = selling.priced(db, session | {"discounts": told}, details["lines"])
        objects.save(db, details | {"lines": lines})
        return objects.save(db, fresh)


def submitted(db: Db, id: str, form: Json) -> Json:
    """What comes of a buyer's card: the session, complete or with `next_url` where the bank wants to ask.

    `form` has `card` (None where none is needed), `email`, `name`, `phone`, `billing` and `shipping`. Raises ApiError, and
    CardError where the card is refused.
    """
    details = objects.get(db, "checkout.details", id, lock=True)
    with living(db, details):
        session = open_session(db, id)
        session = objects.save(
            db, session | {"customer_details": _who(session, form), "collected_information": _collected(form)}
        )
        method: Json | None = None
        if form.get("card"):
            billing = {
                "email": form.get("email"),
                "name": form.get("name"),
                "address": form.get("billing"),
                "phone": form.get("phone"),
            }
            method = methods.build(db, {"type": "card", "card": form["card"], "billing_details": billing})
        elif sessions.wants_card(db, session):
            raise ApiError("A card is needed.", code="parameter_missing", param="card")
        act = {"payment": _pays, "setup": _saves, "subscription": _subscribes}[session["mode"]]
        act(db, session, details, method)
    return _answer(db, id)


def _answer(db: Db, id: str) -> Json:
    """The session, with the page of the bank where that is the next thing."""
    session, details = objects.get(db, sessions.KIND, id), objects.get(db, "checkout.details", id)
    found: Json | None = None
    if session["status"] == "open":
        found = _asking(db, session, details)
    action: Any = (found or {}).get("next_action") or {}
    return session | {"next_url": (action.get("redirect_to_url") or {}).get("url")}


def _asking(db: Db, session: Json, details: Json) -> Json | None:
    """The intent that waits for its buyer."""
    if details["payment_intent"]:
        return objects.get(db, "payment_intent", details["payment_intent"])
    if details["subscription"]:
        owner = objects.get(db, "subscription", details["subscription"])
        return invoicing.intent_of(db, objects.get(db, "invoice", owner["latest_invoice"]))
    return objects.get(db, "setup_intent", details["setup_intent"]) if details["setup_intent"] else None


def _back(id: str) -> str:
    return f"{call().base_url}/c/pay/{id}/return"


def _who(session: Json, form: Json) -> Json:
    told = session["customer_details"] or dict.fromkeys(
        ("address", "business_name", "email", "individual_name", "name", "phone", "tax_ids")
    ) | {"tax_exempt": "none"}
    given = {
        "email": form.get("email"),
        "name": form.get("name"),
        "phone": form.get("phone"),
        "address": form.get("billing"),
    }
    return told | {k: v for k, v in given.items() if v}


def _collected(form: Json) -> Json | None:
    if not form.get("shipping"):
        return None
    return {"shipping_details": form["shipping"], "business_name": None, "individual_name": None}


def _customer(db: Db, session: Json, details: Json) -> str:
    """The customer of a session, made of what was typed where there is none."""
    if session["customer"]:
        return str(session["customer"])
    typed = session["customer_details"] or {}
    about = {k: typed.get(k) for k in ("address", "email", "name", "phone") if typed.get(k)}
    made = customers.create(db, about)
    objects.save(db, objects.get(db, sessions.KIND, session["id"]) | {"customer": made["id"]})
    return str(made["id"])


def _worth(session: Json) -> codes.Worth:
    return codes.Worth(session["amount_subtotal"] or 0, session["currency"] or "usd")


def _redeemed(db: Db, session: Json, details: Json, customer: str | None) -> list[str]:
    """The discounts of a session, counted when somebody pays; once."""
    if details["redeemed"] or not session["discounts"]:
        found: list[str] = details["redeemed"]
        return found
    wanted = [{k: v for k, v in each.items() if v} for each in session["discounts"]]
    made = discounting.redeem(
        db, wanted, worth=_worth(session), customer=customer, checkout_session=session["id"]
    )
    fresh = objects.get(db, "checkout.details", session["id"])
    objects.save(db, fresh | {"redeemed": made})
    return made


def times_out(db: Db, id: str) -> None:
    """Expires a session whose time is over."""
    session = objects.find(db, sessions.KIND, id, lock=True)
    if session is None or session["status"] != "open":
        return
    details = objects.get(db, "checkout.details", id)
    with living(db, details):
        if session["expires_at"] > objects.now():
            return
        if (
            details["payment_intent"]
            and intents.locked(db, details["payment_intent"])["status"] == "processing"
        ):
            return
        sessions.expired(db, session)


# -- payment -----------------------------------------------------------------------------------------------


def _pays(db: Db, session: Json, details: Json, method: Json | None) -> None:
    customer = session["customer"]
    if customer is None and session["customer_creation"] == "always":
        customer = _customer(db, session, details)
    _redeemed(db, session, details, customer)
    if not session["amount_total"]:
        _completed(db, session["id"], "no_payment_required")
        return
    assert method is not None
    if details["payment_intent"] is None:
        intent = _intent(db, session, details, customer)
        fresh = objects.get(db, "checkout.details", session["id"])
        objects.save(db, fresh | {"payment_intent": intent["id"]})
    else:
        intent = intents.locked(db, details["payment_intent"])
    confirming.confirm(db, intent["id"], {"payment_method": method["id"], "return_url": _back(session["id"])})
    intent = objects.get(db, "payment_intent", intent["id"])
    if intent["status"] in ("processing", "requires_capture"):
        _completed(db, session["id"], "unpaid", payment_intent=intent["id"])


def _intent(db: Db, session: Json, details: Json, customer: str | None) -> Json:
    data = {k: v for k, v in details["payment_intent_data"].items() if k in INTENT_DATA}
    about: Json = {
        "amount": session["amount_total"],
        "currency": session["currency"],
        "payment_method_types": session["payment_method_types"],
    }
    if customer:
        about["customer"] = customer
    if (session["collected_information"] or {}).get("shipping_details"):
        about["shipping"] = session["collected_information"]["shipping_details"]
    return intents.create(db, data | about)


# -- setup -------------------------------------------------------------------------------------------------


def _saves(db: Db, session: Json, details: Json, method: Json | None) -> None:
    assert method is not None
    setups.confirm(
        db, details["setup_intent"], {"payment_method": method["id"], "return_url": _back(session["id"])}
    )


# -- subscription ------------------------------------------------------------------------------------------


def _subscribes(db: Db, session: Json, details: Json, method: Json | None) -> None:
    customer = _customer(db, session, details)
    if details["subscription"]:  # one that nobody has authenticated
        owner = subscriptions.locked(db, details["subscription"])
        if owner["status"] == "incomplete":
            ending.cancelled(db, owner, reason=None)
        objects.save(db, objects.get(db, "checkout.details", session["id"]) | {"subscription": None})
    if method is not None and _later(session, details):
        about = {"customer": customer, "usage": "off_session", "payment_method_types": ["card"]}
        setup = setups.create(db, about)
        fresh = objects.get(db, "checkout.details", session["id"])
        objects.save(db, fresh | {"setup_intent": setup["id"]})
        setups.confirm(db, setup["id"], {"payment_method": method["id"], "return_url": _back(session["id"])})
        return
    with db.savepoint():  # of a card that is refused nothing stays
        _subscribed(db, session["id"], customer, method)


def _later(session: Json, details: Json) -> bool:
    """Whether nothing is charged today, so that the card is only saved."""
    return not session["amount_total"] or sessions.trial_of(details) is not None


def _subscribed(db: Db, id: str, customer: str, method: Json | None) -> None:
    """Makes the subscription, with the card as its payment method. Raises CardError where the card is refused."""
    session, details = objects.get(db, sessions.KIND, id), objects.get(db, "checkout.details", id)
    discounts = _redeemed(db, session, details, customer)
    if method is not None:
        methods.attached(db, objects.get(db, "payment_method", method["id"]), customer)
    given: Json = {k: v for k, v in details["subscription_data"].items() if k in SUBSCRIPTION_DATA}
    recurring = [each for each in details["lines"] if each["price"]["type"] == "recurring"]
    once = [each for each in details["lines"] if each["price"]["type"] == "one_time"]
    given |= {
        "items": [_wanted(each) for each in recurring],
        "add_invoice_items": [_wanted(each) for each in once],
        "discounts": [{"discount": each} for each in discounts],
        "return_url": _back(id),
    }
    if method is not None:
        given["default_payment_method"] = method["id"]
    owner = objects.get(db, "customer", customer, lock=True)
    made = starting.begin(db, owner, given)
    invoice = objects.get(db, "invoice", made["latest_invoice"])
    intent = invoicing.intent_of(db, invoice)
    if intent is not None and intent["status"] == "requires_payment_method":
        raise _refused(intent)
    fresh = objects.get(db, "checkout.details", id)
    objects.save(db, fresh | {"subscription": made["id"]})
    if made["status"] != "incomplete":
        state = "paid" if invoice["amount_paid"] else "no_payment_required"
        _completed(db, id, state, subscription=made["id"], invoice=invoice["id"])


def _wanted(line: Json) -> Json:
    told: Json = {"sold": line["price"]["id"], "tax_rates": [rate["id"] for rate in line["rates"]]}
    return told if line["quantity"] is None else told | {"quantity": line["quantity"]}


def _refused(intent: Json) -> CardError:
    why = intent["last_payment_error"]
    return CardError(why["message"], code=why.get("code"), decline_code=why.get("decline_code"))


# -- completion --------------------------------------------------------------------------------------------


def _completed(db: Db, id: str, payment_status: str, **made: Any) -> Json:
    """A session that has done what it is for, told of."""
    session = sessions.locked(db, id)
    if session["status"] != "open":
        return session
    fresh = sessions.moved(db, session | made | {"payment_status": payment_status, "url": None}, "complete")
    events.emit(db, "checkout.session.completed", fresh)
    return fresh


def _of(db: Db, **field: str) -> Json | None:
    found = objects.where(db, "checkout.details", **field, limit=1)
    return found[0] if found else None


def _intent_paid(db: Db, intent: Json) -> None:
    details = _of(db, payment_intent=intent["id"])
    if details is None:
        return
    session = sessions.locked(db, details["id"])
    if session["status"] == "open":
        _completed(db, details["id"], "paid", payment_intent=intent["id"], customer=intent["customer"])
    elif session["status"] == "complete" and session["payment_status"] == "unpaid":
        fresh = objects.save(db, session | {"payment_status": "paid"})
        events.emit(db, "checkout.session.async_payment_succeeded", fresh)


def _intent_failed(db: Db, intent: Json) -> None:
    details = _of(db, payment_intent=intent["id"])
    session = sessions.locked(db, details["id"]) if details is not None else None
    if session is not None and session["status"] == "complete" and session["payment_status"] == "unpaid":
        events.emit(db, "checkout.session.async_payment_failed", session)


def _invoice_paid(db: Db, invoice: Json) -> None:
    owner = invoicing.subscription_of(invoice)
    details = _of(db, subscription=owner) if owner else None
    if details is not None and invoice["billing_reason"] == "subscription_create":
        _completed(db, details["id"], "paid", subscription=owner, invoice=invoice["id"])


def _set_up(db: Db, setup: Json) -> None:
    details = _of(db, setup_intent=setup["id"])
    if details is None:
        return
    session = sessions.locked(db, details["id"])
    if session["status"] != "open":
        return
    with living(db, details):
        if session["mode"] == "setup":
            _completed(db, details["id"], "no_payment_required", setup_intent=setup["id"])
        else:
            method = objects.get(db, "payment_method", setup["payment_method"])
            _subscribed(db, details["id"], session["customer"], method)


events.listen("payment_intent.succeeded", _intent_paid)
events.listen("payment_intent.payment_failed", _intent_failed)
events.listen("invoice.paid", _invoice_paid)
events.listen("setup_intent.succeeded", _set_up)
