"""Parts of responses: kept, served, made whole, and never of two versions (RFC 9111 §3.3, §3.4)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.systems.cache_proxy.conftest import response

from backendhub.systems.cache_proxy.entry import Entry
from backendhub.systems.cache_proxy.partial import Partial, Partials, span_of
from backendhub.systems.cache_proxy.rules import Freshness

BODY = "0123456789abcdef"


def ranged(**fields: str) -> Any:
    """An origin that gives the part that it is asked for."""

    def answer(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        told = {"Cache_Control": "max-age=60", "ETag": '"v1"', **fields}
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
        if match is None:
            return response(BODY, **told)
        first, last = int(match[1]), int(match[2])
        part = f"bytes {first}-{last}/{len(BODY)}"
        return response(BODY[first : last + 1], "206 Partial Content", Content_Range=part, **told)

    return answer


def test_parts_are_served_again_and_become_the_whole(start: Any) -> None:
    cache = start(ranged())
    assert cache.get(Range="bytes=4-9").text == "456789"
    again = cache.get(Range="bytes=5-6")
    assert (again.status_code, again.text, again.headers["x-cache"]) == (206, "56", "HIT")
    assert again.headers["content-range"] == "bytes 5-6/16" and again.headers["content-length"] == "2"
    assert cache.get(Range="bytes=0-5").text == "012345"
    assert cache.get(Range="bytes=0-9").text == "0123456789" and cache.origin.count == 2
    assert cache.get(Range="bytes=8-15").text == "89abcdef"
    whole = cache.get()
    assert (whole.status_code, whole.text, whole.headers["x-cache"]) == (200, BODY, "HIT")
    assert "content-range" not in whole.headers and cache.origin.count == 3
    assert cache.get(Range="bytes=-2").text == "ef" and len(cache.proxy.shelf.partials) == 0
    assert cache.proxy.shelf.problems() == []


def test_a_part_that_is_all_of_it_is_the_whole_on_disk_too(start: Any, tmp_path: Any) -> None:
    cache = start(ranged(ETag='W/"weak"'), disk=str(tmp_path / "disk"))
    assert cache.get(Range="bytes=0-15").status_code == 206
    assert (cache.get().text, cache.origin.count) == (BODY, 1)
    cache.stop()
    again = start(None, origin=cache.origin, disk=str(tmp_path / "disk"))
    assert (again.get().text, cache.origin.count) == (BODY, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ETag": 'W/"v1"'}, "weak"), ({"ETag": '"v2"'}, "another version"), ({"Cache_Control": "no-store"}, "no-store"),
        ({"Content_Range": "bytes 8-15/99"}, "another size"), ({"Content_Range": "bytes 7-15/16"}, "too few bytes"),
    ],
)  # fmt: skip
def test_parts_that_do_not_belong_together_make_no_whole(
    start: Any, change: dict[str, str], why: str
) -> None:
    answer = ranged()

    def changed(origin: Any, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        found: bytes = answer(origin, method, target, headers, body)
        if origin.count == 2:
            for name, text in change.items():
                field = name.replace("_", "-").encode()
                found = re.sub(rb"(?m)^" + field + rb": [^\r]*", field + b": " + text.encode(), found)
        return found

    cache = start(changed)
    assert cache.get(Range="bytes=0-7").text == "01234567"
    assert cache.get(Range="bytes=8-15").text == "89abcdef"
    assert cache.get().headers["x-cache"] == "MISS", why
    assert cache.get().text == BODY


def test_purges_and_changes_take_parts_away(start: Any) -> None:
    cache = start(ranged(Surrogate_Key="fruit"))

    def gone() -> bool:
        found = len(cache.proxy.shelf.partials) == 0
        cache.get(Range="bytes=0-3")
        assert len(cache.proxy.shelf.partials) == 1
        return found

    assert gone()
    cache.http.request("PURGE", "/")
    assert gone()
    cache.http.request("PURGE", "/x", headers={"surrogate-key": "fruit"})
    assert gone()
    cache.http.post("/")
    assert gone()
    cache.proxy.purging.pattern("/*")
    assert gone()
    cache.proxy.purging.everything()
    assert gone()


# -- what it consists of --------------------------------------------------------------------------------------


def entry(key: bytes = b"/", size: int = 16, etag: bytes = b'"v1"') -> Entry:
    return Entry(key, 200, [(b"etag", etag)], Freshness(60, "max-age=60", 0, {}), (), size, None, 0)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(1, 16)), max_size=12),
    st.integers(0, 15),
    st.integers(1, 16),
)
def test_whatever_comes_in_whatever_order(parts: list[tuple[int, int]], first: int, end: int) -> None:
    partial, known = Partial(entry()), [False] * 16
    for start, count in parts:
        stop = min(start + count, 16)
        partial.add(start, BODY[start:stop].encode())
        known[start:stop] = [True] * (stop - start)
        assert partial.bytes == sum(known) == sum(len(piece) for _, piece in partial.pieces)
    assert partial.whole is all(known)
    if first < end:
        assert partial.read(first, end) == (BODY[first:end].encode() if all(known[first:end]) else None)


def test_parts_are_bounded_and_the_oldest_go() -> None:
    partials = Partials(10_000)
    for n in range(20):
        partials.put(entry(b"/%d" % n, size=5000), 0, b"x" * 1000)
        assert partials.bytes <= 10_000
    assert [e.key for e in partials.entries] == [b"/%d" % n for n in range(16, 20)]
    assert partials.drop([b"/17", b"/none"]) == 1 and len(partials) == 3
    partials.drop([e.key for e in partials.entries])
    assert partials.bytes == 0


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (b"bytes 0-1/2", (0, 2, 2)), (b"Bytes 4-9/10", (4, 10, 10)), (b"bytes 4-10/10", None), (b"bytes 5-4/10", None),
        (b"bytes 0-1/*", None), (b"bytes */10", None), (b"items 0-1/2", None), (b"", None),
    ],
)  # fmt: skip
def test_content_range(text: bytes, span: tuple[int, int, int] | None) -> None:
    assert span_of([(b"content-range", text)]) == span
