"""Products, prices, coupons, promotion codes and tax rates."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.service.billing import catalog, codes, coupons, taxes
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import listing, operation, retrieving, searching
from backendhub.systems.payment.wire.parameters import parameters

from . import tables

BEHAVIOUR = "enum exclusive inclusive unspecified"
INTERVAL = "enum day month week year"
RECURRING = f"""
interval! {INTERVAL}
interval_count int 1..
"""
CUSTOM = """
enabled! bool
maximum amount
minimum amount
preset amount
"""
TIERS = (
    "tiers list hash\n  flat_amount amount\n  flat_amount_decimal decimal\n  unit_amount amount\n  unit_amount_decimal decimal\n"
    "  up_to! enum inf | amount 1..\n"
)
CURRENCIES = tables.nested(
    "currency_options",
    tables.nested("custom_unit_amount", CUSTOM)
    + f"tax_behavior {BEHAVIOUR}\n{TIERS}unit_amount amount\nunit_amount_decimal decimal",
    types="by currency",
)
"""What a price is in other currencies."""
PRICE_DATA = (
    f"currency! currency\nproduct str\ntax_behavior {BEHAVIOUR}\nunit_amount amount\nunit_amount_decimal decimal\n"
    + tables.nested("recurring", RECURRING)
)
"""A price that is described where it is used."""
PRODUCT_DATA = """
description str
images list str
metadata metadata
name! str
tax_code str
unit_label str
"""


def aliased(kind: str, path: str, filters: str, names: dict[str, str], url: str | None = None) -> None:
    """A list whose filters are called otherwise than the fields that they look at."""

    def fn(db: Db, params: Json) -> Json:
        told: dict[str, Any] = {names.get(name, name): value for name, value in params.items()}
        return lists.page(db, kind, told, url=url or path)

    table = parameters(lists.LISTING) | parameters("created range") | parameters(filters)
    operation("GET", path, fn, table, says=f"List objects of the kind {kind}, the newest first.")


# -- products ----------------------------------------------------------------------------------------------

PRODUCT = (
    "active bool\ndescription str 40000\nimages list str\nmarketing_features list hash | empty\n  name! str 80\nmetadata metadata\n"
    + tables.nested(
        "package_dimensions",
        "height! decimal\nlength! decimal\nweight! decimal\nwidth! decimal",
        types="hash | empty",
    )
    + "shippable bool\nstatement_descriptor str 22\ntax_code str\nunit_label str\nurl str\n"
)
PR = "/v1/products"
operation(
    "POST",
    PR,
    catalog.create_product,
    parameters(
        PRODUCT
        + "id str\nname! str\ntype enum good service\n"
        + tables.nested(
            "default_price_data",
            f"currency! currency\n{CURRENCIES}metadata metadata\ntax_behavior {BEHAVIOUR}\nunit_amount amount\n"
            + "unit_amount_decimal decimal\n"
            + tables.nested("custom_unit_amount", CUSTOM)
            + tables.nested("recurring", RECURRING),
        )
    ),
)
aliased("product", PR, "active bool\nids list str\nshippable bool\ntype str\nurl str", {"ids": "id"})
searching("product", PR + "/search")
retrieving("product", PR + "/{id}", deleted=True)
operation("POST", PR + "/{id}", catalog.edit_product, parameters(PRODUCT + "name str\ndefault_price str"))
operation("DELETE", PR + "/{id}", catalog.delete_product)

# -- prices ------------------------------------------------------------------------------------------------

PC = "/v1/prices"
operation(
    "POST",
    PC,
    catalog.create_price,
    parameters(
        "active bool\nbilling_scheme enum per_unit tiered\ncurrency! currency\n"
        + CURRENCIES
        + tables.nested("custom_unit_amount", CUSTOM)
        + "lookup_key str 200\nmetadata metadata\nnickname str\nproduct str\n"
        + tables.nested(
            "product_data",
            "active bool\nid str\nmetadata metadata\nname! str\nstatement_descriptor str 22\ntax_code str\nunit_label str",
        )
        + tables.nested(
            "recurring",
            RECURRING + "meter str\ntrial_period_days int 1..730\nusage_type enum licensed metered",
        )
        + f"tax_behavior {BEHAVIOUR}\n{TIERS}"
        + "tiers_mode enum graduated volume\ntransfer_lookup_key bool\n"
        + "transform_quantity hash\n  divide_by! amount 1..\n  round! enum down up\nunit_amount amount\nunit_amount_decimal decimal"
    ),
)
aliased(
    "price",
    PC,
    f"active bool\ncurrency currency\nlookup_keys list str\nproduct str\nrecurring hash\n  interval {INTERVAL}\n  meter str\n"
    "  usage_type enum licensed metered\ntype enum one_time recurring",
    {"lookup_keys": "lookup_key"},
)
searching("price", PC + "/search")
retrieving("price", PC + "/{id}")
operation(
    "POST",
    PC + "/{id}",
    catalog.edit_price,
    parameters(
        f"active bool\n{CURRENCIES}lookup_key str 200\nmetadata metadata\nnickname str\ntax_behavior {BEHAVIOUR}\n"
        "transfer_lookup_key bool"
    ),
)

# -- coupons and promotion codes ---------------------------------------------------------------------------

CP = "/v1/coupons"
operation(
    "POST",
    CP,
    coupons.create,
    parameters(
        "amount_off amount 1..\napplies_to hash\n  products list str\ncurrency currency\nduration enum forever once repeating\n"
        "duration_in_months int 1..1200\nid str 200\nmax_redemptions int 1..\nmetadata metadata\nname str 40\npercent_off decimal\n"
        "redeem_by time"
    ),
)
listing("coupon", CP)
retrieving("coupon", CP + "/{id}")
operation("POST", CP + "/{id}", coupons.edit, parameters("metadata metadata\nname str 40"))
operation("DELETE", CP + "/{id}", coupons.delete)

CODES = "/v1/promotion_codes"
LEAST = "currency_options by currency\n    minimum_amount! amount 1..\n"
operation(
    "POST",
    CODES,
    codes.create,
    parameters(
        "active bool\ncode str 500\ncustomer str\nexpires_at time\nmax_redemptions int 1..\nmetadata metadata\n"
        "promotion! hash\n  coupon! str\n  type! enum coupon\nrestrictions hash\n"
        f"  {LEAST}  first_time_transaction bool\n  minimum_amount amount 1..\n  minimum_amount_currency currency"
    ),
)
aliased(
    "promotion_code", CODES, "active bool\ncode str\ncoupon str\ncustomer str", {"coupon": "promotion.coupon"}
)
retrieving("promotion_code", CODES + "/{id}")
operation(
    "POST",
    CODES + "/{id}",
    codes.edit,
    parameters(f"active bool\nmetadata metadata\nrestrictions hash\n  {LEAST}"),
)

# -- tax rates ---------------------------------------------------------------------------------------------

TXR = "/v1/tax_rates"
SHARED = (
    "active bool\ncountry str 2\ndescription str\njurisdiction str\nmetadata metadata\nstate str\n"
    "tax_type enum amusement_tax communications_tax gst hst igst jct lease_tax pst qst retail_delivery_fee rst sales_tax "
    "service_tax vat\n"
)
operation(
    "POST",
    TXR,
    taxes.create,
    parameters(SHARED + "display_name! str 50\ninclusive! bool\npercentage! decimal"),
)
listing("tax_rate", TXR, "active bool\ninclusive bool")
retrieving("tax_rate", TXR + "/{id}")
operation("POST", TXR + "/{id}", taxes.edit, parameters(SHARED + "display_name str 50"))
