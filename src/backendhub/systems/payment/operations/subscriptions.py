"""Subscriptions and their items, previews of invoices, meters, test clocks."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service.billing import (
    changing,
    discounting,
    ending,
    previews,
    subscriptions,
    test_clocks,
    usage,
)
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import listing, operation, retrieving, searching
from backendhub.systems.payment.wire.parameters import parameters

from . import tables
from .catalogue import BEHAVIOUR, RECURRING
from .invoices import DISCOUNTS, ITEM

PRICE_DATA = f"currency! currency\nproduct! str\ntax_behavior {BEHAVIOUR}\nunit_amount amount\nunit_amount_decimal decimal\n"
RECURRING_DATA = PRICE_DATA + tables.nested("recurring!", RECURRING)
PRORATION = "enum always_invoice create_prorations none"
BEHAVE = "enum allow_incomplete default_incomplete error_if_incomplete"
ONE = (
    DISCOUNTS
    + "metadata metadata\nplan str\nprice str\n"
    + tables.nested("price_data", RECURRING_DATA)
    + "quantity amount\ntax_rates list str | empty\n"
)
EXTRA = tables.nested(
    "add_invoice_items",
    "price str\n" + tables.nested("price_data", PRICE_DATA) + "quantity amount\ntax_rates list str | empty",
    types="list hash",
)
DETAILS = (
    "cancellation_details hash\n  comment str\n"
    "  feedback enum customer_service low_quality missing_features other switched_service too_complex too_expensive unused | empty\n"
)
SHARED = (
    EXTRA
    + "automatic_tax hash\n  enabled! bool\n  liability any\n"
    + "cancel_at_period_end bool\ncollection_method enum charge_automatically send_invoice\ndays_until_due days\n"
    + "default_payment_method str\ndefault_tax_rates list str | empty\ndescription str 500 | empty\n"
    + DISCOUNTS
    + "invoice_settings hash\n  account_tax_ids list str | empty\n  custom_fields list any | empty\n  description str\n  footer str\n"
    + "  issuer any\nmetadata metadata\noff_session bool\non_behalf_of str\n"
    + f"payment_behavior {BEHAVE}\npayment_settings hash\n  payment_method_options any\n  payment_method_types list str | empty\n"
    + f"  save_default_payment_method enum off on_subscription\nproration_behavior {PRORATION}\n"
    + "trial_end enum now | time\ntrial_from_plan bool\ntrial_settings hash\n  end_behavior! hash\n"
    + "    missing_payment_method! enum cancel create_invoice pause\n"
)
SUB = "/v1/subscriptions"
operation(
    "POST",
    SUB,
    subscriptions.create,
    parameters(
        SHARED
        + "billing_cycle_anchor time\nbilling_mode hash\n  flexible any\n  type! enum classic flexible\ncancel_at time\n"
        + "currency currency\ncustomer! str\ntrial_period_days int 1..730\n"
        + tables.nested("items", ONE, types="list hash")
    ),
)


def _list(db: Db, params: Json) -> Json:
    """List subscriptions, the newest first; those that are over only where `status` asks for them."""
    status = params.pop("status", None)
    if status == "ended":
        params["status"] = ["canceled", "incomplete_expired"]
    elif status != "all":
        params["status"] = status or [s for s in subscriptions.OPEN if s != "incomplete_expired"]
    for name, field in (
        ("price", "items.data.price"),
        ("plan", "items.data.price"),
        ("current_period_start", "items.data.current_period_start"),
        ("current_period_end", "items.data.current_period_end"),
    ):
        if name in params:
            params[field] = params.pop(name)
    return lists.page(db, "subscription", params, url=SUB)


STATES = " ".join(subscriptions.SUBSCRIPTIONS.states)
operation(
    "GET",
    SUB,
    _list,
    parameters(
        lists.LISTING
        + "collection_method enum charge_automatically send_invoice\ncreated range\ncurrent_period_end range\n"
        + f"current_period_start range\ncustomer str\nplan str\nprice str\nstatus enum all ended {STATES}\ntest_clock str"
    ),
)
searching("subscription", SUB + "/search")
retrieving("subscription", SUB + "/{id}")
CHANGE = tables.nested("items", ONE + "deleted bool\nid str\n", types="list hash")
operation(
    "POST",
    SUB + "/{id}",
    changing.edit,
    parameters(
        SHARED
        + DETAILS
        + CHANGE
        + "billing_cycle_anchor enum now unchanged\ncancel_at time | empty\n"
        + "pause_collection hash | empty\n  behavior! enum keep_as_draft mark_uncollectible void\n  resumes_at time\n"
        + "proration_date time"
    ),
)
operation("DELETE", SUB + "/{id}", ending.cancel, parameters(DETAILS + "invoice_now bool\nprorate bool"))
operation(
    "POST",
    SUB + "/{id}/resume",
    changing.resume,
    parameters(f"billing_cycle_anchor enum now\nproration_behavior {PRORATION}\nproration_date time"),
)

operation("DELETE", SUB + "/{id}/discount", discounting.delete)

# -- items -------------------------------------------------------------------------------------------------

HOW = f"off_session bool\npayment_behavior {BEHAVE}\nproration_behavior {PRORATION}\nproration_date time\n"
SI = "/v1/subscription_items"
operation("POST", SI, changing.add_item, parameters(ONE + HOW + "subscription! str"))
operation("GET", SI, changing.list_items, parameters(lists.LISTING + "subscription! str"))
operation("GET", SI + "/{id}", changing.get_item)
operation("POST", SI + "/{id}", changing.edit_item, parameters(ONE + HOW))
operation("DELETE", SI + "/{id}", changing.delete_item, parameters(HOW))

# -- previews ----------------------------------------------------------------------------------------------

operation(
    "POST",
    "/v1/invoices/create_preview",
    previews.preview,
    parameters(
        "automatic_tax hash\n  enabled! bool\n  liability any\ncurrency currency\ncustomer str\n"
        + DISCOUNTS
        + tables.nested(
            "invoice_items",
            ITEM.replace("pricing hash\n  price str\n", "price str\n")
            + "currency currency\ninvoiceitem str\nunit_amount amount -999999999999..\n",
            types="list hash",
        )
        + "subscription str\n"
        + tables.nested(
            "subscription_details",
            "billing_cycle_anchor enum now unchanged\ncancel_at time | empty\ncancel_at_period_end bool\ncancel_now bool\n"
            + "default_tax_rates list str | empty\n"
            + CHANGE
            + f"proration_behavior {PRORATION}\nproration_date time\ntrial_end enum now | time\n",
        )
    ),
)

# -- meters ------------------------------------------------------------------------------------------------

MTR = "/v1/billing/meters"
operation(
    "POST",
    MTR,
    usage.create,
    parameters(
        "customer_mapping hash\n  event_payload_key! str 100\n  type! enum by_id\ndefault_aggregation! hash\n"
        "  formula! enum count last sum\ndisplay_name! str 250\nevent_name! str 100\nvalue_settings hash\n  event_payload_key! str 100"
    ),
)
listing("billing.meter", MTR, "status enum active inactive")
retrieving("billing.meter", MTR + "/{id}")
operation("POST", MTR + "/{id}", usage.edit, parameters("display_name str 250"))
operation("POST", MTR + "/{id}/deactivate", usage.deactivate)
operation("POST", MTR + "/{id}/reactivate", usage.reactivate)
operation(
    "POST",
    "/v1/billing/meter_events",
    usage.record,
    parameters("event_name! str 100\nidentifier str 100\npayload! any\ntimestamp time"),
)

# -- test clocks -------------------------------------------------------------------------------------------

TC = "/v1/test_helpers/test_clocks"
operation("POST", TC, test_clocks.create, parameters("frozen_time! int 0..4102444800\nname str 300"))
listing(test_clocks.KIND, TC)
retrieving(test_clocks.KIND, TC + "/{id}")
operation("POST", TC + "/{id}/advance", test_clocks.advance, parameters("frozen_time! int 0..4102444800"))
operation("DELETE", TC + "/{id}", test_clocks.delete)
