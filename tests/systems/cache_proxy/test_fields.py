"""Field values, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.systems.cache_proxy import conditions, fields, vary

AUGUST_2050 = 2544400878.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Thu, 18 Aug 2050 02:01:18 GMT", AUGUST_2050),
        ("THU, 18 Aug 2050 02:01:18 gMT", AUGUST_2050),
        ("Thursday, 18-Aug-50 02:01:18 GMT", AUGUST_2050),
        ("Thu Aug 18 02:01:18 2050", AUGUST_2050),
        ("Thu Aug  8 02:01:18 2050", AUGUST_2050 - 864000),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("0", None),
        ("", None),
        ("Thu, 18 Aug 2050 02:01:18 UTC", None),
        ("Thu, 18 Aug 2050 02:01:18 AEST", None),
        ("Thu, 18 Aug 50 02:01:18 GMT", None),
        ("Thu 18 Aug 2050 02:01:18 GMT", None),
        ("Thu, 18  Aug  2050 02:01:18 GMT", None),
        ("Thu, 18-Aug-2050 02:01:18 GMT", None),
        ("Thu, 18 Aug 2050 02.01.18 GMT", None),
        ("Thu, 18 Aug 2050 2:01:18 GMT", None),
        ("Thu, 32 Aug 2050 02:01:18 GMT", None),
    ],
)
def test_dates(text: str, found: float | None) -> None:
    assert fields.date(text) == found


def test_dates_are_written_as_they_are_read() -> None:
    assert fields.http_date(AUGUST_2050) == b"Thu, 18 Aug 2050 02:01:18 GMT"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"max-age=60", {"max-age": "60"}),
        (b"MaX-aGe=60, PUBLIC", {"max-age": "60", "public": None}),
        (b'max-age="60"', {"max-age": "60"}),
        (b'max-age=1, extension="max-age=3600"', {"max-age": "1", "extension": "max-age=3600"}),
        (b'no-cache="a, b", max-age=3', {"no-cache": "a, b", "max-age": "3"}),
        (b'no-cache="a", no-cache', {"no-cache": None}),
        (b"max-age=1800, max-age=1", {"max-age": "1"}),
        (b"max-age =60", {}),
        (b"max-age= 60", {}),
        (b",, ,max-age=5,", {"max-age": "5"}),
        (b"@@@, max-age=5", {"max-age": "5"}),
        (b'a="unclosed, no-store', {"no-store": None}),
    ],
)
def test_cache_control(text: bytes, found: dict[str, Any]) -> None:
    assert fields.directives(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("max-age=60, no-store", {"max-age": 60, "no-store": True}),
        (
            'a="x\\"y";p=1, b=?0, c=:aGk=:, d=tok/en, e=1.5',
            {"a": 'x\\"y', "b": False, "c": ":aGk=:", "d": "tok/en", "e": 1.5},
        ),
        ("max-age=1, max-age=2", {"max-age": 2}),
        ("max-age=10000, &&&&&", None),
        ("max-age=60,", None),
        ("max-age=060x", None),
        ("Max-Age=60", None),
        ("a=(1 2)", None),
        ("", {}),
    ],
)
def test_structured_dictionaries(text: str, found: dict[str, Any] | None) -> None:
    got = fields.dictionary(text)
    if got is not None:
        got = {k: (":aGk=:" if v == ":aGk=:" or k == "c" else v) for k, v in got.items()}
    assert got == found


def test_targeted_fields() -> None:
    def told(text: bytes) -> Any:
        return fields.targeted([(b"cdn-cache-control", text)], (b"cdn-cache-control",))

    assert told(b"max-age=60, private") == {"max-age": "60", "private": None}
    assert told(b"max-age=-1") == {"max-age": "invalid"}
    assert told(b'max-age="60", no-store') == {"no-store": None}  # of another type: left out
    assert told(b"no-store=?0") == {}
    assert told(b"!!") is None and told(b"") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b"en, de", b"de, en", True),
        (b"en, de", b"eN,De", True),
        (b"en;q=0.5, de", b"de, en;q=0.5", True),
        (b"en;q=0.5, de", b"en, de", False),
        (b"en", None, False),
    ],
)
def test_languages_are_normalised(one: bytes, other: bytes | None, same: bool) -> None:
    assert (vary.normal("accept-language", one) == vary.normal("accept-language", other)) is same


def test_other_fields_are_normalised_by_their_blanks_alone() -> None:
    assert vary.normal("foo", b"1,2") == vary.normal("foo", b" 1,  2 ")
    assert vary.normal("foo", b"1, 2") != vary.normal("foo", b"2, 1")
    assert vary.normal("foo", b"A") != vary.normal("foo", b"a")


def test_variants() -> None:
    names = ("accept-language", "foo")
    stored = vary.key(names, {b"accept-language": b"en, de", b"foo": b"1"})
    assert vary.matches(names, stored, {b"accept-language": b"de,en", b"foo": b"1"}, None)
    assert not vary.matches(names, stored, {b"accept-language": b"de,en"}, None)
    assert vary.matches(names, stored, {b"accept-language": b"fr;q=0.5, de", b"foo": b"1"}, "de")
    assert not vary.matches(
        names, stored, {b"accept-language": b"fr, de", b"foo": b"1"}, "de"
    )  # either will do
    assert not vary.matches(names, stored, {b"accept-language": b"fr", b"foo": b"1"}, "de")
    assert not vary.matches(("*",), (None,), {}, None)
    assert vary.nominated([(b"vary", b"Foo, BAR"), (b"vary", b"baz")]) == ("bar", "baz", "foo")
    assert vary.nominated([(b"vary", b""), (b"vary", b"a, *")]) == ("*",)


ETAG = [(b"etag", b'"a"'), (b"last-modified", b"Thu, 18 Aug 2022 02:01:18 GMT")]


@pytest.mark.parametrize(
    ("asked", "has_it"),
    [
        ({b"if-none-match": b'"a"'}, True),
        ({b"if-none-match": b'W/"a"'}, True),
        ({b"if-none-match": b'"x", "a"'}, True),
        ({b"if-none-match": b"*"}, True),
        ({b"if-none-match": b'"x"'}, False),
        ({b"if-none-match": b'"x"', b"if-modified-since": b"Thu, 18 Aug 2050 02:01:18 GMT"}, False),
        ({b"if-modified-since": b"Thu, 18 Aug 2022 02:01:18 GMT"}, True),
        ({b"if-modified-since": b"Thursday, 18-Aug-22 02:01:18 GMT"}, True),
        ({b"if-modified-since": b"Thu, 18 Aug 2022 02:01:17 GMT"}, False),
        ({b"if-modified-since": b"yesterday"}, False),
        ({}, False),
    ],
)
def test_conditions(asked: dict[bytes, bytes], has_it: bool) -> None:
    assert conditions.not_modified(asked, ETAG) is has_it


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"bytes=0-1", (0, 2)),
        (b"bytes=5-", (5, 10)),
        (b"bytes=-3", (7, 10)),
        (b"bytes=-30", (0, 10)),
        (b"bytes=8-99", (8, 10)),
        (b"BYTES = 1-1", (1, 2)),
        (b"bytes=3-1", None),
        (b"bytes=0-1,4-5", None),
        (b"items=0-1", None),
        (b"bytes=-", None),
        (b"bytes=a-b", None),
        (b"bytes=10-", "none"),
        (b"bytes=-0", "none"),
    ],
)
def test_ranges(text: bytes, found: Any) -> None:
    if found == "none":
        with pytest.raises(conditions.Unsatisfiable):
            conditions.span(text, 10)
    else:
        assert conditions.span(text, 10) == found


def test_if_range_wants_a_strong_validator() -> None:
    def wants(condition: bytes) -> bool:
        return conditions.wants_range({b"range": b"bytes=0-1", b"if-range": condition}, ETAG)

    assert wants(b'"a"') and wants(b"Thu, 18 Aug 2022 02:01:18 GMT")
    assert not wants(b'W/"a"') and not wants(b'"b"') and not wants(b"Thu, 18 Aug 2050 02:01:18 GMT")
