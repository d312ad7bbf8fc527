"""Customers, their balance transactions and tax ids."""

from __future__ import annotations

from backendhub.systems.payment.service import customers
from backendhub.systems.payment.wire.operations import listing, operation, retrieving, searching
from backendhub.systems.payment.wire.parameters import parameters

SHARED = parameters("""
address address | empty
balance amount -999999999999..
cash_balance hash
  settings hash
    reconciliation_mode enum automatic manual merchant_default
description str
email str 512
invoice_prefix str 12
invoice_settings hash
  custom_fields list hash | empty
    name! str 40
    value! str 140
  default_payment_method str
  footer str
  rendering_options hash | empty
    amount_tax_display enum exclude_tax include_inclusive_tax | empty
    template str
metadata metadata
name str 256
next_invoice_sequence int 1..
phone str 20
preferred_locales list str
shipping hash | empty
  address! address
  name! str
  phone str
source str
tax hash
  ip_address str
  validate_location enum deferred immediately auto
tax_exempt enum none exempt reverse | empty
""")
CREATE = SHARED | parameters("""
payment_method str
test_clock str
tax_id_data list hash
  type! str
  value! str
""")
EDIT = SHARED | parameters("default_source str")
MOVE = parameters("""
amount! amount -999999999999..
currency! currency
description str 350
metadata metadata
""")
TAX = parameters("""
type! str
value! str
""")

operation("POST", "/v1/customers", customers.create, CREATE)
listing("customer", "/v1/customers", "email str\ntest_clock str")
searching("customer", "/v1/customers/search")
retrieving("customer", "/v1/customers/{id}", deleted=True)
operation("POST", "/v1/customers/{id}", customers.edit, EDIT)
operation("DELETE", "/v1/customers/{id}", customers.delete)

MOVES = "/v1/customers/{id}/balance_transactions"
operation("POST", MOVES, customers.add_movement, MOVE)
listing("customer_balance_transaction", MOVES, also=lambda db, id: {"customer": id})
operation("GET", MOVES + "/{movement}", customers.get_movement)
operation(
    "POST",
    MOVES + "/{movement}",
    customers.edit_movement,
    parameters("description str 350\nmetadata metadata"),
)

TAXES = "/v1/customers/{id}/tax_ids"
operation("POST", TAXES, customers.add_tax_id, TAX)
listing("tax_id", TAXES, also=lambda db, id: {"customer": id})
operation("GET", TAXES + "/{tax}", customers.get_tax_id)
operation("DELETE", TAXES + "/{tax}", customers.delete_tax_id)
