"""What the two wires mean, and what is refused: pure functions, a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.systems.analytics.models import Arrival, Unusable
from backendhub.systems.analytics.service import agents, reading, sources

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def segment(**event: Any) -> Any:
    return reading.segment({"type": "track", "event": "Bought", "userId": "u1", **event}, NOW, "parcel 1")


def plausible(**event: Any) -> Any:
    known = {"n": "pageview", "u": "https://www.shop.example/a?utm_source=mail", "visitor": "v"}
    return reading.plausible({**known, **event}, NOW, "parcel 1")


def test_a_track_call() -> None:
    seen = segment(
        messageId="m1",
        anonymousId="a1",
        properties={"revenue": 9.99, "currency": "EUR", "url": "https://shop.example/cart?ref=x"},
        context={"page": {"referrer": "https://www.google.com/search?q=1"}},
    )
    assert (seen.message_id, seen.name, seen.visitor, seen.known) == ("m1", "Bought", "u1", True)
    assert (seen.revenue, seen.currency, seen.path, seen.hostname) == (999, "EUR", "/cart", "shop.example")
    assert reading.visit(seen.arrival)[:2] == ("x", "google.com/search")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "tracked"}, "unknown_type"),
        ({"type": None}, "unknown_type"),
        ({"event": ""}, "no_event"),
        ({"event": 7}, "no_event"),
        ({"event": "x" * 201}, "name_too_long"),
        ({"userId": None}, "no_user"),
        ({"userId": ""}, "no_user"),
        ({"userId": ["u"]}, "bad_id"),
        ({"userId": True}, "bad_id"),
        ({"messageId": "x" * 256}, "bad_id"),
        ({"type": "group"}, "no_group"),
        ({"type": "alias"}, "no_user"),
        ({"timestamp": "yesterday"}, "bad_time"),
        ({"timestamp": 1e9}, "bad_time"),
        ({"timestamp": "2026-02-05T09:00:00Z"}, "future"),
        ({"timestamp": "2026-01-05T09:00:00Z", "sentAt": "soon"}, "bad_time"),
        ({"context": {"page": {"url": "http://[::1"}}}, "bad_url"),
    ],
)
def test_what_segment_says_that_cannot_be_used(event: dict[str, Any], code: str) -> None:
    with pytest.raises(Unusable) as refusal:
        segment(**event)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"n": None}, "no_event"),
        ({"u": "about"}, "no_url"),
        ({"u": None}, "no_url"),
        ({"p": {str(n): n for n in range(31)}}, "too_many_properties"),
        ({"p": {"x" * 301: "1"}}, "property_too_long"),
        ({"p": {"x": "1" * 2001}}, "property_too_long"),
        ({"$": {"amount": "much", "currency": "EUR"}}, "bad_revenue"),
        ({"$": {"amount": "1", "currency": "EURO"}}, "bad_revenue"),
        ({"$": {"amount": 1e300, "currency": "EUR"}}, "bad_revenue"),
    ],
)
def test_what_plausible_says_that_cannot_be_used(event: dict[str, Any], code: str) -> None:
    with pytest.raises(Unusable) as refusal:
        plausible(**event)
    assert refusal.value.code == code


def test_a_senders_wrong_clock_is_corrected() -> None:
    hour = timedelta(hours=1)
    wrong = {"timestamp": (NOW + 5 * hour).isoformat(), "sentAt": (NOW + 6 * hour).isoformat()}
    assert segment(**wrong).at == NOW - hour  # it was an hour before it was sent, whatever its clock says
    assert segment(timestamp=(NOW + timedelta(minutes=5)).isoformat()).at == NOW
    assert segment(timestamp="2026-01-05T10:00:00+02:00").at == NOW - hour
    assert segment(timestamp="2026-01-05T08:00:00").at == NOW - hour
    assert segment().at == NOW


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1)),
    st.integers(-(10**8), 10**8),
    st.integers(0, 10**6),
)
def test_what_a_clock_is_off_by_makes_no_difference(at: datetime, off: int, delay: int) -> None:
    true = at.replace(tzinfo=UTC)
    skew, sent = timedelta(seconds=off), true + timedelta(seconds=delay)
    event = {"timestamp": (true + skew).isoformat(), "sentAt": (sent + skew).isoformat()}
    assert reading.moment(event, sent) == true


def test_plausible_properties_are_scalars_as_text() -> None:
    assert plausible(p={"plan": "pro", "n": 3, "on": True, "list": [1], "none": None, "": "x"}).properties == {
        "plan": "pro", "n": "3", "on": "true", "": "x",
    }  # fmt: skip
    assert plausible(p='{"plan": "pro"}').properties == {"plan": "pro"}
    assert plausible(p="{broken").properties == {}
    assert plausible(h=1, u="https://shop.example/a#b").path == "/a#b"


def test_where_a_visit_comes_from() -> None:
    visit = reading.visit(plausible(r="https://news.ycombinator.com/item?id=1", w=500).arrival)
    assert (visit.source, visit.referrer, visit.utm_source, visit.device) == (
        "mail", "news.ycombinator.com/item", "mail", "Mobile",
    )  # fmt: skip
    assert reading.visit(Arrival("", "https://shop.example/b", "shop.example")).source is None
    assert reading.visit(Arrival("", "javascript:alert(1)", "shop.example")).source is None
    assert reading.visit(Arrival(campaign={"source": "s", "name": "spring"})).utm_campaign == "spring"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ("Firefox", "GNU/Linux", "Desktop")),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", ("Microsoft Edge", "Windows", "Desktop")),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile/15E148 Safari/604.1", ("Safari", "iOS", "Mobile")),
        ("Mozilla/5.0 (Linux; Android 15; SM-X210) AppleWebKit/537.36 Chrome/142.0 Safari/537.36", ("Chrome", "Android", "Tablet")),
        ("curl/8.5", ("curl", None, None)),
        (None, (None, None, None)),
    ],
)  # fmt: skip
def test_user_agents(text: str | None, expected: tuple[str | None, ...]) -> None:
    assert agents.agent(text) == expected


def test_robots() -> None:
    assert agents.is_bot("Mozilla/5.0 (compatible; Googlebot/2.1)")
    assert not agents.is_bot("Mozilla/5.0 Firefox/140.0")


def test_paths_with_stars() -> None:
    assert sources.pattern("/blog/*") == "^/blog/[^/]*$"
    assert sources.pattern("/a.b/**") == r"^/a\.b/.*$"
    assert sources.pattern("/blog") is None
