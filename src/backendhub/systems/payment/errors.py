"""The failures of the wire: one object with type, code, param and message."""

from __future__ import annotations

from typing import Any

from backendhub.kit.errors import HubError

Json = dict[str, Any]


class ApiError(HubError):
    """A request that cannot be carried out, as Stripe tells it. Further members (`payment_intent`) are keywords."""

    status, exit_code, title = 400, 1, "Invalid request"
    type = "invalid_request_error"

    def __init__(
        self, message: str, *, code: str | None = None, param: str | None = None, status: int = 0, **more: Any
    ) -> None:
        super().__init__(message)
        self.wire_code, self.param, self.more = code, param, more
        if status:
            self.status = status

    def body(self) -> Json:
        """The object that is sent."""
        told: Json = {"type": self.type, "message": self.message}
        if self.wire_code is not None:
            told["code"] = self.wire_code
        if self.param is not None:
            told["param"] = self.param
        return {"error": told | self.more}


class CardError(ApiError):
    """A card that was refused (402). What was written before stays, so that the attempt can be looked at."""

    status, title = 402, "Card error"
    type = "card_error"


def missing(kind: str, id: str, param: str = "id") -> ApiError:
    """There is no such object."""
    shown = WORDS.get(kind, kind.replace(".", " ").replace("_", " "))
    return ApiError(
        f"No such {shown}: '{id[:200]}'",
        code="resource_missing",
        param=param,
        status=404 if param in ("id", "intent") else 400,
    )


WORDS = {
    "payment_intent": "payment_intent",
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
    "webhook_endpoint": "webhook endpoint",
    "balance_transaction": "balance transaction",
    "test_helpers.test_clock": "test clock",
    "checkout.session": "checkout.session",
    "setup_attempt": "setup_attempt",
}
"""What messages call a kind, where that is not its name."""
