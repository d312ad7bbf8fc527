"""Payment intents and setup intents."""

from __future__ import annotations

from backendhub.systems.payment.service import confirming, intents, setups
from backendhub.systems.payment.wire.operations import listing, operation, searching
from backendhub.systems.payment.wire.parameters import parameters

from . import tables

REASONS = "enum abandoned duplicate fraudulent requested_by_customer"
SECRET = parameters("client_secret str")
CAPTURE = parameters(
    tables.nested("amount_details", tables.AMOUNT_DETAILS, types="hash | empty")
    + "amount_to_capture int 1..\napplication_fee_amount int 0..\nfinal_capture bool\nhooks map\nmetadata metadata\n"
    + "payment_details map\nstatement_descriptor str 22\nstatement_descriptor_suffix str 22\ntransfer_data hash\n  amount int"
)
INCREMENT = parameters(
    "amount! int 1..\n"
    + tables.nested("amount_details", tables.AMOUNT_DETAILS, types="hash | empty")
    + "application_fee_amount int 0..\ndescription str 1000\nhooks map\nmetadata metadata\npayment_details map\n"
    + "statement_descriptor str 22\ntransfer_data hash\n  amount int"
)

PI = "/v1/payment_intents"
operation("POST", PI, intents.create, tables.CREATE_INTENT)
listing("payment_intent", PI, "customer str\ncustomer_account str")
searching("payment_intent", PI + "/search")
operation("GET", PI + "/{id}", intents.read, SECRET)
operation("POST", PI + "/{id}", intents.edit, tables.EDIT_INTENT)
operation("POST", PI + "/{id}/confirm", confirming.confirm, tables.CONFIRM_INTENT)
operation("POST", PI + "/{id}/capture", intents.capture, CAPTURE)
operation("POST", PI + "/{id}/cancel", intents.cancel, parameters(f"cancellation_reason {REASONS}"))
operation("POST", PI + "/{id}/increment_authorization", intents.increment, INCREMENT)

SETI = "/v1/setup_intents"
operation("POST", SETI, setups.create, tables.CREATE_SETUP)
listing("setup_intent", SETI, "customer str\ncustomer_account str\npayment_method str\nattach_to_self bool")
operation("GET", SETI + "/{id}", setups.read, SECRET)
operation("POST", SETI + "/{id}", setups.edit, tables.EDIT_SETUP)
operation("POST", SETI + "/{id}/confirm", setups.confirm, tables.CONFIRM_SETUP)
operation("POST", SETI + "/{id}/cancel", setups.cancel, parameters(f"cancellation_reason {REASONS}"))
listing("setup_attempt", "/v1/setup_attempts", "setup_intent! str")
