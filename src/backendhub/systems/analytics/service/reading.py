"""Parcels to events: what each wire means, what is refused and why. Nothing here touches the store.

Segment: https://segment.com/docs/connections/spec/ ; Plausible: https://plausible.io/docs/events-api
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from backendhub.kit import money
from backendhub.kit.errors import HubError
from backendhub.systems.analytics.models import Arrival, Seen, Unusable, Visit

from . import agents

TYPES = ("track", "identify", "page", "screen", "group", "alias")
MAX_EVENT = 32 * 1024
"""Bytes of an event, as JSON."""
MAX_PROPERTIES = 30
MAX_KEY, MAX_VALUE = 300, 2000
"""Characters of a custom property's name and value (Plausible)."""
MAX_ID = 255
MAX_NAME = 200
AHEAD = timedelta(days=1)
"""How far ahead of this clock an event may be; beyond that its clock is wrong, not fast."""
UTM = ("source", "medium", "campaign", "term", "content")


# -- Segment -------------------------------------------------------------------------------------------------


def segment_events(kind: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a request, each with what the request says for all of them."""
    if kind not in ("batch", "import"):
        yield {**body, "type": kind}
        return
    shared: dict[str, Any] = {name: body[name] for name in ("sentAt", "integrations") if name in body}
    context = body.get("context")
    for event in body["batch"]:
        if not isinstance(event, dict):
            yield {"type": event}
            continue
        if isinstance(context, dict):
            event = {**event, "context": context | _object(event.get("context"))}
        yield shared | event


def segment(event: dict[str, Any], received_at: datetime, number: str) -> Seen:
    """What an event of Segment's wire says; `number` names it where it has no message id. Raises Unusable."""
    type_ = event.get("type")
    if type_ not in TYPES:
        raise Unusable("unknown_type", f"There is no type of event {str(type_)[:50]!r}.")
    user, anonymous = _id(event, "userId"), _id(event, "anonymousId")
    name, anonymous = _meaning(event, type_, user, anonymous)
    context, properties = _object(event.get("context")), _object(event.get("properties"))
    host, path, query, referrer = _where(properties, context.get("page"))
    money = "revenue" in properties or "total" in properties
    revenue, currency = _segment_revenue(properties) if money else (None, None)
    return Seen(
        _id(event, "messageId") or number,
        type_,
        name,
        user or anonymous or "",
        user is not None,
        user,
        anonymous,
        moment(event, received_at),
        host,
        path,
        Arrival(query, referrer, host, _text(context.get("userAgent")), None, context.get("campaign")),
        properties,
        _object(event.get("traits")) if type_ == "identify" else None,
        revenue,
        currency,
        type_ in ("track", "page", "screen"),
    )


PLACES = frozenset(("url", "path", "referrer"))


def _where(properties: dict[str, Any], page: Any) -> tuple[str | None, str | None, str, str | None]:
    """Host, path, query and referrer, of the properties or of the page; most events of programs say nothing of it."""
    if not isinstance(page, dict):
        if PLACES.isdisjoint(properties):
            return None, None, "", None
        page = {}
    address = _text(properties.get("url")) or _text(page.get("url"))
    host, path, query = _address(address)
    path = _text(properties.get("path")) or _text(page.get("path")) or path
    return host, path, query, _text(properties.get("referrer")) or _text(page.get("referrer"))


def _meaning(
    event: dict[str, Any], type_: str, user: str | None, anonymous: str | None
) -> tuple[str, str | None]:
    """The event's name, and the id that is an alias of its user."""
    if type_ == "alias":
        previous = _id(event, "previousId") or anonymous
        if user is None or previous is None:
            raise Unusable("no_user", "An alias has a userId and a previousId.")
        return "alias", previous
    if user is None and anonymous is None:
        raise Unusable("no_user", "An event has a userId or an anonymousId.")
    if type_ == "track":
        name = event.get("event")
        if not isinstance(name, str) or not name.strip():
            raise Unusable("no_event", "A track call names its event.")
        return _short(name.strip(), "event"), anonymous
    if type_ == "group" and _id(event, "groupId") is None:
        raise Unusable("no_group", "A group call has a groupId.")
    return {"page": "pageview", "screen": "screenview"}.get(type_, type_), anonymous


def moment(event: dict[str, Any], received_at: datetime) -> datetime:
    """When it happened by this clock: the sender's clock is wrong by as much as its `sentAt` is.

    `timestamp` = received − (sentAt − originalTimestamp), as Segment defines it. Raises Unusable.
    """
    given = event.get("originalTimestamp", event.get("timestamp"))
    if given is None:
        return received_at
    at = _time(given, "timestamp")
    sent = event.get("sentAt")
    if sent is not None:
        at = received_at - (_time(sent, "sentAt") - at)
    if at <= received_at:
        return at
    if at > received_at + AHEAD:
        raise Unusable("future", f"{str(given)[:40]!r} lies in the future.")
    return received_at


def _segment_revenue(properties: dict[str, Any]) -> tuple[int | None, str | None]:
    amount = properties.get("revenue", properties.get("total"))
    if amount is None or isinstance(amount, bool) or not isinstance(amount, (int, float, str)):
        return None, None
    try:
        return _money(amount, properties.get("currency") or "USD")
    except Unusable:  # properties are free: what is no amount is none
        return None, None


# -- Plausible -----------------------------------------------------------------------------------------------


def plausible(event: dict[str, Any], received_at: datetime, number: str) -> Seen:
    """What an event of Plausible's wire says. The visitor and the message id were made where it came in.

    Raises Unusable.
    """
    name, address = _text(_either(event, "n", "name")), _text(_either(event, "u", "url"))
    if name is None:
        raise Unusable("no_event", "An event has a name.")
    host, path, query = _address(address)
    if path is None:
        raise Unusable("no_url", "An event has a url with a host.")
    revenue, currency = None, None
    if isinstance(given := _either(event, "$", "revenue"), dict):
        revenue, currency = _money(given.get("amount"), given.get("currency"))
    at = moment({"timestamp": event["timestamp"]} if "timestamp" in event else {}, received_at)
    fragment = urlsplit(address or "").fragment if event.get("h") in (1, "1", True) else ""
    return Seen(
        message_id=number,
        type="page" if name == "pageview" else "track",
        name=_short(name, "name"),
        visitor=str(event["visitor"]),
        known=False,
        user_id=None,
        anonymous_id=str(event["visitor"]),
        at=at,
        hostname=host,
        path=f"{path}#{fragment}" if fragment else path,
        arrival=Arrival(
            query,
            _text(_either(event, "r", "referrer")),
            host,
            _text(event.get("agent")),
            width=_either(event, "w", "screen_width"),
        ),
        properties=_properties(_either(event, "p", "props", "m", "meta")),
        revenue=revenue,
        currency=currency,
        interactive=_either(event, "i", "interactive") is not False,
    )


def _properties(given: Any) -> dict[str, Any]:
    """Custom properties: scalars, at most 30. One that is no object is left out, as Plausible does."""
    if isinstance(given, str):
        import json

        try:
            given = json.loads(given)
        except ValueError:
            return {}
    if not isinstance(given, dict):
        return {}
    if len(given) > MAX_PROPERTIES:
        raise Unusable("too_many_properties", f"An event has at most {MAX_PROPERTIES} properties.")
    scalars = {str(k): v for k, v in given.items() if isinstance(v, (str, int, float, bool))}
    if any(len(k) > MAX_KEY or len(str(v)) > MAX_VALUE for k, v in scalars.items()):
        raise Unusable("property_too_long", f"Names have {MAX_KEY} characters, values {MAX_VALUE}.")
    return {k: v if isinstance(v, str) else _spelt(v) for k, v in scalars.items() if v != ""}


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- both ----------------------------------------------------------------------------------------------------


def visit(arrival: Arrival) -> Visit:
    """Where a visit came from and by what."""
    try:
        query = dict(parse_qsl(arrival.query, max_num_fields=100))
    except ValueError:
        query = {}
    said = _object(arrival.campaign)
    marks = {f"utm_{name}": query.get(f"utm_{name}") for name in UTM}
    if not any(marks.values()):
        marks = {f"utm_{name}": _text(said.get("name" if name == "campaign" else name)) for name in UTM}
    shown, source = agents.referrer(arrival.referrer, arrival.host)
    named = marks["utm_source"] or query.get("ref") or query.get("source")
    browser, system, device = agents.agent(arrival.agent)
    width = arrival.width
    if isinstance(width, (int, float)) and not isinstance(width, bool) and width > 0:
        device = agents.by_width(width)
    return Visit(named or source, shown, browser=browser, os=system, device=device, **marks)


def _address(address: str | None) -> tuple[str | None, str | None, str]:
    """The host, path and query of a URL."""
    if not address:
        return None, None, ""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise Unusable("bad_url", f"{address[:80]!r} is no URL.") from None
    if host is None:
        return None, None, parts.query
    return host.removeprefix("www."), parts.path or "/", parts.query


def _money(amount: Any, currency: Any) -> tuple[int | None, str | None]:
    if isinstance(amount, bool) or not isinstance(amount, (int, float, str)):
        raise Unusable("bad_revenue", "Revenue is an amount with a currency.")
    try:
        code = money.currency(str(currency))
        exact = Fraction(str(amount)) * 10 ** money.exponent(code)
        minor = money.rounded(exact.numerator, exact.denominator, money.Rounding.HALF_EVEN)
        if abs(minor) > money.LIMIT:
            raise ValueError(amount)
        return minor, code
    except (HubError, ValueError, ZeroDivisionError):
        raise Unusable("bad_revenue", f"{amount!r} {str(currency)[:10]} is no amount.") from None


def _time(value: Any, name: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC. Raises Unusable."""
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is UTC:
            return found
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Unusable("bad_time", f"{name} {str(value)[:40]!r} is no ISO 8601 time.") from None


def _id(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    if value is None or value == "":
        return None
    if value.__class__ is str and len(value) <= MAX_ID and "\0" not in value:  # as nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Unusable("bad_id", f"{name} is text.")
    text = str(value)
    if len(text) > MAX_ID or "\0" in text:
        raise Unusable("bad_id", f"{name} has at most {MAX_ID} characters.")
    return text


def _short(name: str, field: str) -> str:
    if len(name) > MAX_NAME:
        raise Unusable("name_too_long", f"{field} has at most {MAX_NAME} characters.")
    return name


def _either(event: dict[str, Any], *names: str) -> Any:
    return next((event[name] for name in names if event.get(name) is not None), None)


def _text(value: Any) -> str | None:
    """Text of a length that is kept; anything else is as if it were not there."""
    return value[:2000] if isinstance(value, str) and value else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
