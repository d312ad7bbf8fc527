"""Payment methods, tokens, sources, and the cards of customers."""

from __future__ import annotations

from backendhub.systems.payment.service import methods, tokens
from backendhub.systems.payment.wire.operations import listing, operation, retrieving
from backendhub.systems.payment.wire.parameters import parameters

from . import tables

PM = "/v1/payment_methods"
operation(
    "POST",
    PM,
    methods.create,
    parameters(
        tables.METHOD_DATA.replace("type! str", "type str") + "customer str\npayment_method str\ncustom map"
    ),
)
listing(
    "payment_method",
    PM,
    "customer str\ncustomer_account str\ntype str\nallow_redisplay enum always limited unspecified",
)
retrieving("payment_method", PM + "/{id}")
operation(
    "POST",
    PM + "/{id}",
    methods.edit,
    parameters(
        "allow_redisplay enum always limited unspecified\n"
        + tables.nested("billing_details", tables.BILLING)
        + "card hash\n  exp_month int 1..12\n  exp_year int\n  networks map\nmetadata metadata\nus_bank_account map"
    ),
)
operation("POST", PM + "/{id}/attach", methods.attach, parameters("customer! str"))
operation("POST", PM + "/{id}/detach", methods.detach)

OWN = "/v1/customers/{id}/payment_methods"
listing(
    "payment_method",
    OWN,
    "type str\nallow_redisplay enum always limited unspecified",
    also=lambda db, id: {"customer": id},
)
operation("GET", OWN + "/{method}", methods.of_customer)

BANK = """
account_holder_name str
account_holder_type enum company individual
account_number! str
account_type str
country! str
currency currency
routing_number str
object enum bank_account
payment_method str
"""
operation(
    "POST",
    "/v1/tokens",
    tokens.create_token,
    parameters(
        tables.nested("card", tables.CARD, types="hash | str")
        + tables.nested("bank_account", BANK)
        + "account map\ncustomer str\ncvc_update hash\n  cvc! str 4\nperson map\npii hash\n  id_number str"
    ),
)
retrieving("token", "/v1/tokens/{id}")
SOURCE = "metadata metadata\nowner hash\n  address address\n  email str\n  name str\n  phone str\nmandate map\nsource_order map\n"
operation(
    "POST",
    "/v1/sources",
    tokens.create_source,
    parameters(
        SOURCE
        + "amount int\ncurrency currency\ncustomer str\nflow enum code_verification none receiver redirect\noriginal_source str\n"
        + "receiver map\nredirect map\nstatement_descriptor str\ntoken str\ntype str\nusage enum reusable single_use\ncard map"
    ),
)
operation("GET", "/v1/sources/{id}", tokens.read_source, parameters("client_secret str"))
operation("POST", "/v1/sources/{id}", tokens.edit_source, parameters(SOURCE + "amount int"))

CARDS = "/v1/customers/{id}/sources"
ADDED = parameters(
    tables.nested("source", tables.CARD, types="str | hash").replace("source", "source!", 1)
    + "metadata metadata\nvalidate bool"
)
EDITED = parameters(
    "\n".join(f"{name} str" for name in tokens.LINES)
    + "\nexp_month str\nexp_year str\nmetadata metadata\naccount_holder_name str\naccount_holder_type str\n"
    + "owner hash\n  address address\n  email str\n  name str\n  phone str"
)
operation("POST", CARDS, tokens.add_card, ADDED)
listing("card", CARDS, "object enum card bank_account source", also=lambda db, id: {"customer": id})
operation("GET", CARDS + "/{card}", tokens.get_card)
operation("POST", CARDS + "/{card}", tokens.edit_card, EDITED)
operation("DELETE", CARDS + "/{card}", tokens.delete_card)
