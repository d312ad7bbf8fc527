"""The two faces of the bank: plain routes for whoever runs it, Open Banking UK 4.0 for third parties."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from backendhub.kit import ledger, web
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError, Malformed, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.money import Money
from backendhub.kit.states import IllegalMove

from .models import (
    BadIdentification,
    ConsentMismatch,
    ConsentState,
    KeyReused,
    Missing,
    NotPermitted,
)
from .service import consents

BASE = "/open-banking/v4.0"
_SCHEMA: dict[str, Any] = {
    "title": "OBErrorResponse1",
    "description": "What is wrong, each with a code of the standard",
    "type": "object",
    "required": ["Errors"],
    "properties": {
        "Id": {"type": "string", "maxLength": 40},
        "Code": {"type": "string", "maxLength": 40},
        "Message": {"type": "string", "maxLength": 500},
        "Errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["ErrorCode"],
                "properties": {
                    "ErrorCode": {"type": "string", "minLength": 4, "maxLength": 4},
                    "Message": {"type": "string", "maxLength": 500},
                    "Path": {"type": "string", "maxLength": 500},
                },
            },
        },
    },
}
# Codes of OBExternalStatusReason1Code; AM04 is ISO 20022's for want of money.
_CODES: tuple[tuple[type[HubError], str], ...] = (
    (Missing, "U011"),
    (BadIdentification, "U021"),
    (ledger.CurrencyMismatch, "U023"),
    (ledger.InsufficientFunds, "AM04"),
    (ConsentMismatch, "U008"),
    (ConsentState, "U009"),
    (IllegalMove, "U009"),
    (NotPermitted, "U009"),
    (KeyReused, "U006"),
    (Malformed, "U010"),
)
_VIOLATIONS = {"missing": "U004", "extra_forbidden": "U005"}


class OpenBanking(web.Dialect):
    """Open Banking's errors: `Code, Id, Message, Errors[]`."""

    name = "OBErrorResponse1"
    description = "An error (Open Banking UK)"
    media_type = "application/json"
    schema = _SCHEMA

    def status(self, error: HubError) -> int:
        """What a request is wrong about is a 400, an id that nothing has too; a consent that does not cover is a 403."""
        if isinstance(error, ConsentState) and error.details.get("reading"):
            return 403
        if isinstance(error, Missing) or error.status in (409, 422):
            return 400
        return super().status(error)

    def problem(self, error: HubError, request: web.Request) -> web.Reply:
        """The response to a failure."""
        title = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
        body = {
            "Id": request.id[:40],
            "Code": f"{error.status} {title.get(error.status, type(error).__name__)}"[:40],
            "Message": error.message[:500],
            "Errors": _errors(error),
        }
        return web.Reply(body, error.status, headers=interaction(request), media_type=self.media_type)


def _errors(error: HubError) -> list[dict[str, str]]:
    if found := error.details.get("errors"):
        return [_violation(each) for each in found]
    told = {"ErrorCode": _code(error), "Message": error.message[:500]}
    if isinstance(error, KeyReused):
        told["Path"] = "x-idempotency-key"
    elif path := error.details.get("field"):
        told["Path"] = str(path)
    return [told]


def _code(error: HubError) -> str:
    if isinstance(error, BadIdentification) and "scheme" in error.details:
        return "U027"
    if error.details.get("date"):
        return "U003"
    if error.details.get("state") == consents.EXPIRED and error.details.get("reading"):
        return "U028"
    known = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    return known or ("U002" if error.status in (400, 409, 415, 422) else "U000")


def _violation(each: dict[str, str]) -> dict[str, str]:
    """One thing that pydantic found."""
    if each.get("in") == "header":
        code = "U007" if each.get("code") == "missing" else "U006"
    else:
        code = _VIOLATIONS.get(each.get("code", ""), "U003" if "date" in each.get("code", "") else "U002")
    path = each.get("name") or each.get("pointer", "").strip("/").replace("/", ".") or "body"
    return {"ErrorCode": code, "Message": each.get("detail", "")[:500], "Path": path[:500]}


def interaction(request: web.Request) -> dict[str, str]:
    """The interaction id that comes back with every answer."""
    given = request.header("x-fapi-interaction-id") or ""
    return {"x-fapi-interaction-id": given if re.fullmatch(r"[\w-]{1,64}", given) else request.id}


def token_holder(db: Db | None, request: web.Request) -> Principal | None:
    """The consent whose token came, as a principal; its state is looked at by the route."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "bearer" or db is None:
        raise Unauthenticated("This kind of credential is not known here.")
    consent = consents.of_token(db, token.strip())
    return Principal(consent.id, consent.kind.value, scopes=frozenset(consent.permissions), via="token")


def stamp(moment: datetime) -> str:
    """A time as this standard writes it: `2026-01-05T09:00:00+00:00`."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def amount(minor: int, currency: str) -> dict[str, str]:
    """An amount without its sign, as a decimal string."""
    return {"Amount": Money(abs(minor), currency).decimal, "Currency": currency}


def indicator(minor: int) -> str:
    """On which side of the account an amount is."""
    return "Credit" if minor >= 0 else "Debit"


def answer(
    request: web.Request, data: dict[str, Any], *, status: int = 200, next: str | None = None, **beside: Any
) -> dict[str, Any]:
    """The envelope: `Data`, `Links`, `Meta`, and what else belongs beside them (`Risk`)."""
    here = f"{request.base_url}{request.path}"
    query = f"?{request.query}" if request.query else ""
    links = {"Self": here + query} | ({"Next": f"{here}?cursor={next}"} if next else {})
    body = {"Data": data, **beside, "Links": links, "Meta": {} if next else {"TotalPages": 1}}
    return web.reply(body, status=status, headers=interaction(request))


router = web.Router(
    "A bank whose ledger always sums to zero. `/open-banking/v4.0` is the read/write API of Open Banking UK: consents, "
    "accounts, balances, transactions, payments, scheduled payments, standing orders. The other routes are the bank's own: customers, accounts, "
    "cash, transfers, statements as OFX and camt.053, and the customer's side of consents. `/_check` looks at every invariant.",
)
OBIE = OpenBanking(invalid=400)
asking = router.family(f"{BASE}/aisp/account-access-consents", dialect=OBIE)
reading = router.family(
    f"{BASE}/aisp", dialect=OBIE, auth=web.Authenticator(token_holder), guard=web.require()
)
proposing = {
    name: router.family(f"{BASE}/pisp/{name}-consents", dialect=OBIE)
    for name in ("domestic-payment", "domestic-scheduled-payment", "domestic-standing-order")
}
paying = router.family(
    f"{BASE}/pisp", dialect=OBIE, auth=web.Authenticator(token_holder), guard=web.require()
)
