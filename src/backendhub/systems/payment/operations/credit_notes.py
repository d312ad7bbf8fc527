"""Credit notes."""

from __future__ import annotations

from backendhub.systems.payment.service.billing import crediting
from backendhub.systems.payment.wire import lists
from backendhub.systems.payment.wire.operations import listing, operation, retrieving
from backendhub.systems.payment.wire.parameters import parameters

LINES = (
    "lines list hash\n  amount amount\n  description str\n  invoice_line_item str\n  quantity amount\n  tax_rates list str | empty\n"
    "  type! enum custom_line_item invoice_line_item\n  unit_amount amount\n  unit_amount_decimal decimal\n"
)
NOTE = (
    "amount amount 1..\ncredit_amount amount\neffective_at time\nemail_type enum credit_note none\ninvoice! str\n"
    + LINES
    + "memo str\nmetadata metadata\nout_of_band_amount amount\n"
    + "reason enum duplicate fraudulent order_change product_unsatisfactory\nrefund str\nrefund_amount amount\n"
    + "refunds list hash\n  amount_refunded amount 1..\n  refund! str\n  type enum refund\n"
)
CN = "/v1/credit_notes"
operation("POST", CN, crediting.create, parameters(NOTE))
listing(crediting.KIND, CN, "customer str\ninvoice str")
operation("GET", CN + "/preview", crediting.preview, parameters(NOTE))
operation("GET", CN + "/preview/lines", crediting.preview_lines, parameters(NOTE + lists.LISTING))
retrieving(crediting.KIND, CN + "/{id}")
operation("POST", CN + "/{id}", crediting.edit, parameters("memo str\nmetadata metadata"))
operation("POST", CN + "/{id}/void", crediting.void)
operation("GET", CN + "/{id}/lines", crediting.listed, parameters(lists.LISTING))
