"""Tables of parameters that several operations share."""

from __future__ import annotations

from backendhub.systems.payment.service.methods import DEBITS, OTHERS, REDIRECTS
from backendhub.systems.payment.wire.parameters import parameters

KINDS = tuple(t for t in (*DEBITS, *REDIRECTS, *OTHERS) if t not in ("card_present",))
BILLING = """
address address | empty
email str | empty
name str | empty
phone str | empty
tax_id str | empty
"""
SHIPPING = """
address! address
carrier str
name! str
phone str
tracking_number str
"""


def nested(name: str, members: str, depth: int = 0, types: str = "hash") -> str:
    """A hash in a table, with its members below it."""
    pad = "  " * depth
    inner = "\n".join(f"{pad}  {line}" for line in members.strip("\n").splitlines())
    return f"{pad}{name} {types}\n{inner}\n"


_OTHER_KINDS = "\n".join(f"{kind} map" for kind in KINDS)
METHOD_DATA = (
    "allow_redisplay enum always limited unspecified\n"
    + nested("billing_details", BILLING)
    + "metadata metadata\nradar_options hash\n  session str\ntype! str\n"
    + nested("card", "cvc str 4\nexp_month int\nexp_year int\nnetworks map\nnumber str 40\ntoken str")
    + _OTHER_KINDS
    + "\n"
)
CARD_OPTIONS = """
capture_method enum manual automatic | empty
cvc_token str
installments map
mandate_options map
moto bool
network str
request_extended_authorization enum if_available never
request_incremental_authorization enum if_available never
request_multicapture enum if_available never
request_overcapture enum if_available never
request_three_d_secure enum any automatic challenge
require_cvc_recollection bool
setup_future_usage enum none off_session on_session | empty
statement_descriptor_suffix_kana str
statement_descriptor_suffix_kanji str
statement_details map
three_d_secure map
"""
OPTIONS = nested("card", CARD_OPTIONS) + "card_present map\n" + _OTHER_KINDS + "\n"
AMOUNT_DETAILS = """
discount_amount int | empty
enforce_arithmetic_validation bool
line_items list any
shipping map
tax map
"""
TRANSFER = """
amount int
description str
destination str
metadata metadata
payment_data map
"""
MANDATE = """
customer_acceptance hash
  accepted_at time
  offline map
  online hash
    ip_address str
    user_agent str
  type! enum offline online
"""
AUTOMATIC = """
allow_redirects enum always never
enabled! bool
"""
CAPTURE_METHOD = "enum automatic automatic_async manual"
FUTURE = "enum off_session on_session"

INTENT = (
    nested("amount_details", AMOUNT_DETAILS, types="hash | empty")
    + "application_fee_amount int 0.. | empty\n"
    + f"capture_method {CAPTURE_METHOD}\n"
    + "customer str\ncustomer_account str\ndescription str 1000\nexcluded_payment_method_types list str | empty\n"
    + "allowed_payment_method_types list str | empty\nhooks map\nmetadata metadata\npayment_details map\n"
    + "payment_method str\npayment_method_configuration str\n"
    + nested("payment_method_data", METHOD_DATA)
    + nested("payment_method_options", OPTIONS)
    + "payment_method_types list str\nreceipt_email str\n"
    + f"setup_future_usage {FUTURE} | empty\n"
    + nested("shipping", SHIPPING, types="hash | empty")
    + "statement_descriptor str 22\nstatement_descriptor_suffix str 22\n"
    + nested("transfer_data", TRANSFER)
    + "transfer_group str\n"
)
"""What payment intents are made and changed with."""
CONFIRMING = (
    "confirmation_token str\nerror_on_requires_action bool\nmandate str\n"
    + nested("mandate_data", MANDATE, types="hash | empty")
    + "off_session bool | enum one_off recurring\n"
    + nested("radar_options", "session str")
    + "return_url str | empty\nuse_stripe_sdk bool\n"
)
CREATE_INTENT = parameters(
    "amount! int 1..\ncurrency! currency\n"
    + INTENT
    + CONFIRMING
    + nested("automatic_payment_methods", AUTOMATIC)
    + "confirm bool\nconfirmation_method enum automatic manual\non_behalf_of str\n"
)
EDIT_INTENT = parameters("amount int 1..\ncurrency currency\n" + INTENT)
CONFIRM_INTENT = parameters(
    CONFIRMING
    + nested("amount_details", AMOUNT_DETAILS, types="hash | empty")
    + f"amount_to_confirm int\ncapture_method {CAPTURE_METHOD}\nclient_secret str\nhooks map\npayment_details map\n"
    + "allowed_payment_method_types list str | empty\nexcluded_payment_method_types list str | empty\npayment_method str\n"
    + nested("payment_method_data", METHOD_DATA)
    + nested("payment_method_options", OPTIONS)
    + f"payment_method_types list str\nreceipt_email str\nsetup_future_usage {FUTURE} | empty\n"
    + nested("shipping", SHIPPING, types="hash | empty")
)
SETUP = (
    "attach_to_self bool\ncustomer str\ncustomer_account str\ndescription str 1000\nexcluded_payment_method_types list str\n"
    + "allowed_payment_method_types list str\nflow_directions list enum inbound outbound\nmetadata metadata\n"
    + "payment_method str\npayment_method_configuration str\n"
    + nested("payment_method_data", METHOD_DATA)
    + nested("payment_method_options", OPTIONS)
    + "payment_method_types list str\n"
)
CREATE_SETUP = parameters(
    SETUP
    + nested("automatic_payment_methods", AUTOMATIC)
    + "confirm bool\nconfirmation_token str\n"
    + nested("mandate_data", MANDATE, types="hash | empty")
    + "on_behalf_of str\nreturn_url str\nsingle_use map\nusage enum off_session on_session\nuse_stripe_sdk bool\n"
)
EDIT_SETUP = parameters(SETUP)
CONFIRM_SETUP = parameters(
    "client_secret str\nconfirmation_token str\nmandate str\n"
    + nested("mandate_data", MANDATE, types="hash | empty")
    + "payment_method str\n"
    + nested("payment_method_data", METHOD_DATA)
    + nested("payment_method_options", OPTIONS)
    + "return_url str\nuse_stripe_sdk bool\n"
)
CARD = """
address_city str
address_country str
address_line1 str
address_line2 str
address_state str
address_zip str
currency currency
cvc str 4
exp_month! int
exp_year! int
metadata metadata
name str
number! str 40
object enum card
"""
