"""What can be wrong in a shop, beyond what is wrong everywhere."""

from __future__ import annotations

from backendhub.kit.errors import Conflict, HubError, Invalid


class InsufficientStock(Conflict):
    """Not as many are left as somebody wants; `details["items"]` says of what, how many are wanted and left."""

    code, title = "insufficient_stock", "Insufficient stock"


class NoPrice(Invalid):
    """The variant is not sold in this currency."""

    code = "no_price"


class CartOver(Conflict):
    """The cart was completed or cancelled."""

    code = "cart_over"


class CartChanged(Conflict):
    """Prices, shipping or promotions are no longer what the buyer has seen; `details["changes"]` lists them."""

    code = "cart_changed"


class NotReady(Conflict):
    """Something is missing before the cart can become an order."""

    code = "not_ready"


class PromotionRefused(Conflict):
    """The code is unknown, over, used up, or not for this cart."""

    code = "promotion_refused"


class TooMuch(Conflict):
    """More than there is left to fulfil, ship, return, capture or refund."""

    code = "too_much"


class PaymentFailed(HubError):
    """The money did not come."""

    status, exit_code, code, title = 402, 1, "payment_failed", "Payment failed"
