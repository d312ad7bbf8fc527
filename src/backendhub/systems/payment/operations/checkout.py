"""Checkout Sessions and payment links."""

from __future__ import annotations

from backendhub.systems.payment.service.billing import links, sessions
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import listing, operation, retrieving
from backendhub.systems.payment.wire.parameters import parameters

from . import tables
from .catalogue import PRICE_DATA, PRODUCT_DATA

CREATION = "enum always if_required"
TEXT = "hash | empty\n    message! str 1200\n"
CUSTOM_TEXT = f"custom_text hash\n  after_submit {TEXT}  shipping_address {TEXT}  submit {TEXT}  terms_of_service_acceptance {TEXT}"
INTENT_DATA = (
    "capture_method enum automatic automatic_async manual\ndescription str 1000\nmetadata metadata\nreceipt_email str\n"
    "setup_future_usage enum off_session on_session\nstatement_descriptor str 22\nstatement_descriptor_suffix str 22\n"
    "transfer_group str"
)
SUBSCRIPTION_DATA = (
    "billing_cycle_anchor time\ndefault_tax_rates list str\ndescription str 500\ninvoice_settings hash\n  issuer any\n"
    "metadata metadata\nproration_behavior enum create_prorations none\ntrial_end time\ntrial_period_days int 1..730\n"
    "trial_settings hash\n  end_behavior! hash\n    missing_payment_method! enum cancel create_invoice pause"
)
PAGE = (
    "allow_promotion_codes bool\nautomatic_tax hash\n  enabled! bool\n  liability any\n"
    + "billing_address_collection enum auto required\n"
    + CUSTOM_TEXT
    + f"customer_creation {CREATION}\nmetadata metadata\n"
    + tables.nested("payment_intent_data", INTENT_DATA)
    + f"payment_method_collection {CREATION}\npayment_method_types list enum card\n"
    + "phone_number_collection hash\n  enabled! bool\nsubmit_type enum auto book donate pay subscribe\n"
    + tables.nested("subscription_data", SUBSCRIPTION_DATA)
)
CS = "/v1/checkout/sessions"
operation(
    "POST",
    CS,
    sessions.create,
    parameters(
        PAGE
        + "cancel_url str\nclient_reference_id str 200\ncurrency currency\ncustomer str\ncustomer_email str 800\n"
        + "discounts list hash\n  coupon str\n  promotion_code str\nexpires_at time\n"
        + tables.nested(
            "line_items",
            "price str\n"
            + tables.nested("price_data", PRICE_DATA + tables.nested("product_data", PRODUCT_DATA))
            + "quantity amount 1..\ntax_rates list str",
            types="list hash",
        )
        + "locale str\nmode! enum payment setup subscription\nsetup_intent_data hash\n  description str 1000\n  metadata metadata\n"
        + "shipping_address_collection hash\n  allowed_countries! list str 2\nsuccess_url str\nui_mode enum hosted hosted_page"
    ),
)
listing(
    sessions.KIND,
    CS,
    "customer str\ncustomer_details hash\n  email! str\npayment_intent str\npayment_link str\nstatus enum complete expired open\n"
    "subscription str",
)
retrieving(sessions.KIND, CS + "/{id}")
operation("POST", CS + "/{id}", sessions.edit, parameters("metadata metadata"))
operation("POST", CS + "/{id}/expire", sessions.expire)
operation("GET", CS + "/{id}/line_items", sessions.line_items, parameters(lists.LISTING))

PL = "/v1/payment_links"
AFTER = (
    "after_completion hash\n  hosted_confirmation hash\n    custom_message str 500\n  redirect hash\n    url! str\n"
    "  type! enum hosted_confirmation redirect\ninactive_message str 500\n"
)
operation(
    "POST",
    PL,
    links.create,
    parameters(PAGE + AFTER + "line_items! list hash\n  price! str\n  quantity amount 1..\n"),
)
listing("payment_link", PL, "active bool")
retrieving("payment_link", PL + "/{id}")
operation("POST", PL + "/{id}", links.edit, parameters(PAGE + AFTER + "active bool"))
operation("GET", PL + "/{id}/line_items", links.line_items, parameters(lists.LISTING))
