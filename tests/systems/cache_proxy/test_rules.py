"""The rules of RFC 9111, RFC 5861 and RFC 9213, as tables. No clock, no socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.systems.cache_proxy import forward, rules
from backendhub.systems.cache_proxy.fields import Fields, http_date
from backendhub.systems.cache_proxy.rules import Asked, Freshness, Kind, Policy

NOW = 1_700_000_000.0
GET = Asked.of(b"GET", {})


def answer(**given: Any) -> Fields:
    """Fields; a number is a date so many seconds from now, a list are several lines."""
    found = []
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            text = http_date(NOW + one) if isinstance(one, int) else one.encode()
            found.append((name.replace("_", "-").encode(), text))
    return found


def asked(**fields: str) -> Asked:
    return Asked.of(b"GET", {n.replace("_", "-").encode(): v.encode() for n, v in fields.items()})


LIFETIMES: list[tuple[Fields, float]] = [
    (answer(), 0),
    (answer(cache_control="max-age=60"), 60),
    (answer(cache_control="max-age=60, s-maxage=5"), 5),
    (answer(cache_control=["max-age=1", "s-maxage=3600"], expires=-10), 3600),
    (answer(cache_control="max-age=0", expires=3600, date=0), 0),
    (answer(cache_control="max-age=-5"), 0),
    (answer(cache_control="max-age='60'"), 0),
    (answer(cache_control="max-age=60.5"), 0),
    (answer(cache_control="max-age=003600"), 3600),
    (answer(cache_control="max-age=99999999999"), 2**31),
    (answer(cache_control="max-age=60", expires="0"), 60),
    (answer(cache_control="foobar", expires=30, date=0), 30),
    (answer(expires=300, date=400), 0),
    (answer(expires=20, date=10), 10),
    (answer(expires=10, date="foo"), 10),
    (answer(expires="0", date=0), 0),
    (answer(expires=[30, 60], date=0), 0),
    (answer(last_modified=-1000, date=0), 100),
    (answer(last_modified=-10_000_000, date=0), 86_400),
    (answer(last_modified=1000, date=0), 0),
    (answer(cdn_cache_control="max-age=10", cache_control="max-age=60"), 10),
    (answer(cdn_cache_control="max-age=3600", cache_control="no-store", expires=-10), 3600),
    (answer(cdn_cache_control="max-age=10, &&", cache_control="max-age=60"), 60),
    (answer(cdn_cache_control="foo", cache_control="max-age=60", expires=60, date=0), 0),
]


@pytest.mark.parametrize(("fields", "seconds"), LIFETIMES)
def test_lifetimes(fields: Fields, seconds: float) -> None:
    assert rules.lifetime(200, fields, NOW, Policy()).lifetime == seconds


def test_lifetimes_that_this_cache_decides() -> None:
    modified = answer(last_modified=-1000, date=0)
    assert rules.lifetime(200, modified, NOW, Policy(heuristics=False)).lifetime == 0
    assert rules.lifetime(201, modified, NOW, Policy()).lifetime == 0
    assert (
        rules.lifetime(
            599, answer(last_modified=-1000, date=0, cache_control="public"), NOW, Policy()
        ).lifetime
        == 100
    )
    assert rules.lifetime(200, answer(), NOW, Policy(default_ttl=7)).lifetime == 7
    assert rules.lifetime(200, answer(cache_control="max-age=1"), NOW, Policy(default_ttl=7)).lifetime == 1


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        (answer(), 2),
        (answer(age="30"), 32),
        (answer(age="30", date=-100), 100),
        (answer(age="abc", date=0), 2),
        (answer(age="-7200"), 2),
        (answer(age="7200.0"), 2),
        (answer(age="7200, 0"), 7202),
        (answer(age="0, 7200"), 2),
        (answer(age=["7200", "0"]), 7202),
        (answer(age="2147483649"), 2**31 + 2),
        (answer(age="7200;foo=bar"), 2),
        (answer(date=100), 2),
    ],
)
def test_ages(fields: Fields, age: float) -> None:
    """Two seconds pass between request and answer."""
    assert rules.initial_age(fields, NOW - 2, NOW) == age


STORED: list[tuple[Asked, int, Fields, bool]] = [
    (GET, 200, answer(cache_control="max-age=60"), True),
    (GET, 200, answer(), False),
    (GET, 200, answer(etag='"a"'), True),  # to be validated
    (GET, 200, answer(cache_control="no-store, max-age=60"), False),
    (GET, 200, answer(cache_control="No-StOrE, max-age=60"), False),
    (GET, 200, answer(cache_control="private, max-age=60"), False),
    (GET, 200, answer(cache_control='private="x-user", max-age=60'), True),
    (GET, 200, answer(cache_control="no-cache", etag='"a"'), True),
    (GET, 200, answer(cache_control="no-cache, max-age=60"), True),
    (GET, 200, answer(vary="*", cache_control="max-age=60"), False),
    (GET, 200, answer(vary="a, *", cache_control="max-age=60"), False),
    (GET, 201, answer(last_modified=-1000, date=0), False),
    (GET, 404, answer(last_modified=-1000, date=0), True),
    (GET, 299, answer(cache_control="max-age=60"), True),
    (GET, 599, answer(cache_control="max-age=60"), True),
    (GET, 599, answer(cache_control="max-age=60, no-store, must-understand"), False),
    (GET, 200, answer(cache_control="max-age=60, no-store, must-understand"), True),
    (GET, 206, answer(cache_control="max-age=60"), False),
    (GET, 304, answer(cache_control="max-age=60"), False),
    (GET, 200, answer(set_cookie="a=b", cache_control="max-age=60"), True),
    (GET, 200, answer(set_cookie="a=b", last_modified=-1000, date=0), False),
    (asked(authorization="x"), 200, answer(cache_control="max-age=60"), False),
    (asked(authorization="x"), 200, answer(cache_control="max-age=60, public"), True),
    (asked(authorization="x"), 200, answer(cache_control="max-age=60, must-revalidate"), True),
    (asked(authorization="x"), 200, answer(cache_control="s-maxage=60"), True),
    (asked(cache_control="no-store"), 200, answer(cache_control="max-age=60"), False),
    (GET, 200, answer(cdn_cache_control="no-store", cache_control="max-age=60"), False),
    (GET, 200, answer(cdn_cache_control="private", cache_control="max-age=60"), False),
    (GET, 200, answer(cdn_cache_control="max-age=60", cache_control="no-store"), True),
    (GET, 200, answer(cache_control="max-age=0, stale-while-revalidate=9"), True),
]


@pytest.mark.parametrize(("request_", "status", "fields", "stored"), STORED)
def test_what_may_be_stored(request_: Asked, status: int, fields: Fields, stored: bool) -> None:
    verdict = rules.storable(request_, status, fields, NOW, Policy())
    assert verdict.stored is stored, verdict.why
    assert verdict.why


def test_cookies_may_be_refused() -> None:
    fields = answer(set_cookie="a=b", cache_control="max-age=60")
    assert not rules.storable(GET, 200, fields, NOW, Policy(cookies=False)).stored


def fresh(text: str, age: int = 0, **more: Any) -> Freshness:
    return Freshness.of(200, answer(cache_control=text, **more), NOW - age, NOW - age, Policy())


DECIDED: list[tuple[Asked, Freshness, str]] = [
    (GET, fresh("max-age=60", 10), Kind.HIT),
    (GET, fresh("max-age=60", 60), Kind.VALIDATE),
    (GET, fresh("max-age=60, no-cache", 10), Kind.VALIDATE),
    (GET, fresh('max-age=60, no-cache="a"', 10), Kind.HIT),
    (GET, fresh("max-age=10, stale-while-revalidate=60", 20), Kind.REFRESH),
    (GET, fresh("max-age=10, stale-while-revalidate=5", 20), Kind.VALIDATE),
    (GET, fresh("max-age=10, stale-while-revalidate=60, must-revalidate", 20), Kind.VALIDATE),
    (GET, fresh("s-maxage=10, stale-while-revalidate=60", 20), Kind.VALIDATE),
    (asked(cache_control="no-cache"), fresh("max-age=60"), Kind.VALIDATE),
    (asked(pragma="no-cache"), fresh("max-age=60"), Kind.VALIDATE),
    (asked(pragma="no-cache", cache_control="x"), fresh("max-age=60"), Kind.HIT),
    (asked(pragma="foo"), fresh("max-age=60"), Kind.HIT),
    (asked(cache_control="max-age=0"), fresh("max-age=60", 1), Kind.VALIDATE),
    (asked(cache_control="max-age=5"), fresh("max-age=60", 4), Kind.HIT),
    (asked(cache_control="max-age=600"), fresh("max-age=3600", 1800), Kind.VALIDATE),
    (asked(cache_control="min-fresh=100"), fresh("max-age=60"), Kind.VALIDATE),
    (asked(cache_control="min-fresh=10"), fresh("max-age=60"), Kind.HIT),
    (asked(cache_control="max-stale=100"), fresh("max-age=60", 100), Kind.STALE),
    (asked(cache_control="max-stale"), fresh("max-age=60", 1000), Kind.STALE),
    (asked(cache_control="max-stale=10"), fresh("max-age=60", 100), Kind.VALIDATE),
    (asked(cache_control="max-stale=100"), fresh("max-age=60, must-revalidate", 100), Kind.VALIDATE),
]


@pytest.mark.parametrize(("request_", "stored", "kind"), DECIDED)
def test_what_becomes_of_a_request(request_: Asked, stored: Freshness, kind: str) -> None:
    decision = rules.decide(request_, stored, NOW)
    assert decision.kind == kind, decision.why
    assert decision.why and (decision.kind == Kind.HIT or decision.forward)


@pytest.mark.parametrize("text", ["max-age=60", "max-age=60, stale-while-revalidate=9, must-revalidate"])
def test_what_is_marked_is_validated(text: str) -> None:
    stored = fresh(text)
    stored.marked = True
    assert rules.decide(GET, stored, NOW).kind == Kind.VALIDATE
    assert rules.decide(asked(cache_control="max-stale"), stored, NOW).kind == Kind.VALIDATE


@pytest.mark.parametrize(
    ("stored", "away", "error"),
    [
        (fresh("max-age=10", 20), True, False),
        (fresh("max-age=10, stale-if-error=60", 20), True, True),
        (fresh("max-age=10, stale-if-error=5", 20), True, False),
        (fresh("max-age=10, must-revalidate, stale-if-error=60", 20), False, False),
        (fresh("max-age=10, proxy-revalidate", 20), False, False),
        (fresh("s-maxage=10", 20), False, False),
        (fresh("max-age=10, no-cache", 20), False, False),
        (fresh("max-age=10", 200_000), False, False),
    ],
)
def test_stale_answers_when_the_origin_fails(stored: Freshness, away: bool, error: bool) -> None:
    policy = Policy(grace=100_000)
    assert bool(rules.stale_on_error(GET, stored, NOW, policy, status=None)) is away
    assert bool(rules.stale_on_error(GET, stored, NOW, policy, status=503)) is error
    assert not rules.stale_on_error(asked(cache_control="no-cache"), stored, NOW, policy, status=None)


def test_fields_of_the_connection_go_no_further() -> None:
    got = rules.kept(
        answer(
            connection="a, close", a="1", b="2", keep_alive="x", te="y", upgrade="z", proxy_authenticate="q"
        )
    )
    assert got == [(b"b", b"2")]


def test_fields_that_shared_caches_are_not_to_keep() -> None:
    got = rules.stored_fields(
        answer(cache_control='no-cache="a", private="b, c"', a="1", b="2", c="3", d="4", age="5")
    )
    assert [name for name, _ in got] == [b"cache-control", b"d"]


def test_a_304_updates_all_but_what_describes_the_content() -> None:
    stored = answer(etag='"a"', content_type="text/plain", x="1", y="1", set_cookie=["a=1", "b=1"])
    new = answer(
        etag='"b"', content_type="text/html", content_length="10", x="2", set_cookie="a=2", connection="y"
    )
    assert sorted(rules.refreshed(stored, new)) == sorted(
        answer(etag='"a"', content_type="text/plain", y="1", x="2", set_cookie="a=2")
    )


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_nothing_is_served_longer_than_its_lifetime(lifetime: int, age: int, later: int) -> None:
    """Whatever Age says and however late it is: a hit is younger than its lifetime."""
    fields = answer(cache_control=f"max-age={lifetime}", age=str(age))
    stored = Freshness.of(200, fields, NOW, NOW, Policy())
    decision = rules.decide(GET, stored, NOW + later)
    assert (decision.kind == Kind.HIT) is (age + later < lifetime)


def test_what_is_passed_on() -> None:
    headers = [
        (b"host", b"cache"), (b"connection", b"x-mine, close"), (b"x-mine", b"1"), (b"accept", b"*/*"),
        (b"x-forwarded-host", b"evil"), (b"x-original-url", b"/admin"), (b"via", b"1.1 first"),
        (b"cdn-loop", b"other"), (b"if-none-match", b'"a"'), (b"range", b"bytes=0-1"), (b"expect", b"100-continue"),
    ]  # fmt: skip
    sent = dict(forward.request_fields(headers, client="10.0.0.9", scheme="http", cached=True, host=False))
    assert sent == {
        b"accept": b"*/*",
        b"x-forwarded-for": b"10.0.0.9",
        b"x-forwarded-proto": b"http",
        b"via": b"1.1 first, 1.1 backendhub",
        b"cdn-loop": b"other, backendhub",
    }
    kept = dict(
        forward.request_fields(headers, client="x", scheme="http", cached=False, host=True, trusted=True)
    )
    assert (
        kept[b"host"] == b"cache"
        and kept[b"if-none-match"] == b'"a"'
        and kept[b"x-forwarded-host"] == b"evil"
    )


@pytest.mark.parametrize(
    ("fields", "targets"),
    [
        (answer(), {b"/a/b?x"}),
        (answer(location="c"), {b"/a/b?x", b"/a/c"}),
        (answer(location="/d?y=1"), {b"/a/b?x", b"/d?y=1"}),
        (answer(location="http://own:80/e"), {b"/a/b?x", b"/e"}),
        (answer(location="http://other/e"), {b"/a/b?x"}),
        (answer(content_location="/f", location="//other/g"), {b"/a/b?x", b"/f"}),
    ],
)
def test_what_an_unsafe_request_makes_stale(fields: Fields, targets: set[bytes]) -> None:
    assert forward.invalidated(b"/a/b?x", fields, {b"own:80"}) == targets


def test_loops_are_seen() -> None:
    assert forward.looped([(b"cdn-loop", b"other, backendhub; v=1")])
    assert not forward.looped([(b"cdn-loop", b"other, backendhubs")])
