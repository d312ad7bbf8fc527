"""Invoices, invoice items and the payments of invoices."""

from __future__ import annotations

from backendhub.kit.db import Db
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service.billing import finalizing, invoices, items, paying
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import operation, retrieving, searching
from backendhub.systems.payment.wire.parameters import parameters

from . import tables
from .catalogue import BEHAVIOUR, aliased

DISCOUNTS = "discounts list hash | empty\n  coupon str\n  discount str\n  promotion_code str\n"
PERIOD = "period hash\n  end! time\n  start! time\n"
PLAIN_PRICE = f"currency! currency\nproduct! str\ntax_behavior {BEHAVIOUR}\nunit_amount amount -999999999999..\nunit_amount_decimal decimal"

# -- items -------------------------------------------------------------------------------------------------

ITEM = (
    "amount amount -999999999999..\ndescription str\ndiscountable bool\n"
    + DISCOUNTS
    + "metadata metadata\n"
    + PERIOD
    + tables.nested("price_data", PLAIN_PRICE)
    + "pricing hash\n  price str\nquantity amount\ntax_rates list str | empty\nunit_amount_decimal decimal\n"
)
II = "/v1/invoiceitems"
operation(
    "POST",
    II,
    items.create,
    parameters(ITEM + "currency currency\ncustomer str\ninvoice str\nsubscription str"),
)


def _items(db: Db, params: Json) -> Json:
    """List invoice items, the newest first."""
    pending = params.pop("pending", None)
    if pending is not None and not params.get("invoice"):
        params["invoice"] = {"-?" if pending else "?": None}
    return lists.page(db, "invoiceitem", params, url=II)


operation(
    "GET",
    II,
    _items,
    parameters(lists.LISTING + "created range\ncustomer str\ninvoice str\npending bool"),
)
retrieving("invoiceitem", II + "/{id}")
operation("POST", II + "/{id}", items.edit, parameters(ITEM))
operation("DELETE", II + "/{id}", items.delete)

# -- invoices ----------------------------------------------------------------------------------------------

INVOICE = (
    "account_tax_ids list str | empty\nauto_advance bool\nautomatic_tax hash\n  enabled! bool\n  liability any\n"
    + "automatically_finalizes_at time\ncollection_method enum charge_automatically send_invoice\n"
    + "custom_fields list hash | empty\n  name! str 40\n  value! str 140\ndays_until_due days\ndefault_payment_method str\n"
    + "default_tax_rates list str | empty\ndescription str 1500\n"
    + DISCOUNTS
    + "due_date time\neffective_at time\nfooter str\nmetadata metadata\nnumber str 26\non_behalf_of str\n"
    + "payment_settings hash\n  default_mandate str\n  payment_method_options any\n  payment_method_types list str | empty\n"
    + "rendering hash\n  amount_tax_display enum exclude_tax include_inclusive_tax | empty\n  pdf any\n  template str\n"
    + "  template_version int | empty\n"
    + tables.nested("shipping_details", tables.SHIPPING, types="hash | empty")
    + "statement_descriptor str 22\n"
)
IN = "/v1/invoices"
operation(
    "POST",
    IN,
    invoices.create,
    parameters(
        INVOICE
        + "currency currency\ncustomer str\npending_invoice_items_behavior enum exclude include\nsubscription str"
    ),
)
aliased(
    "invoice",
    IN,
    "collection_method enum charge_automatically send_invoice\ncustomer str\ndue_date range\n"
    "status enum draft open paid uncollectible void\nsubscription str",
    {"subscription": "parent.subscription_details.subscription"},
)
searching("invoice", IN + "/search")
retrieving("invoice", IN + "/{id}")
operation("POST", IN + "/{id}", invoices.edit, parameters(INVOICE))
operation("DELETE", IN + "/{id}", invoices.delete)
operation("POST", IN + "/{id}/finalize", finalizing.finalize, parameters("auto_advance bool"))
operation(
    "POST",
    IN + "/{id}/pay",
    paying.pay,
    parameters("off_session bool\npaid_out_of_band bool\npayment_method str"),
)
operation("POST", IN + "/{id}/send", finalizing.send)
operation("POST", IN + "/{id}/void", finalizing.void)
operation("POST", IN + "/{id}/mark_uncollectible", finalizing.write_off)
operation("GET", IN + "/{id}/lines", invoices.listed, parameters(lists.LISTING))

operation(
    "POST",
    IN + "/{id}/lines/{line}",
    invoices.edit_line,
    parameters(ITEM),
)

PAYMENTS = "/v1/invoice_payments"
aliased(
    "invoice_payment",
    PAYMENTS,
    "invoice str\npayment hash\n  payment_intent str\n  type! enum payment_intent\nstatus enum canceled open paid",
    {},
)
retrieving("invoice_payment", PAYMENTS + "/{id}")
