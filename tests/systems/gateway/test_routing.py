"""Kong's router, and paths that must not have two readings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit.errors import Invalid
from backendhub.systems.gateway.models import Route
from backendhub.systems.gateway.routing import Router, normalised, upstream_path


def found(
    routes: list[Route], path: str = "/", host: str = "h", method: str = "GET", **headers: str
) -> str | None:
    name, _, port = host.partition(":")
    fields = {k.replace("_", "-").encode(): v.encode() for k, v in headers.items()}
    match = Router(routes).find(method, name, port or "80", path, fields)
    return match and match.route.name


def test_the_longest_prefix_and_regular_expressions_first() -> None:
    routes = [
        Route("root", paths=("/",)), Route("a", paths=("/a",)), Route("ab", paths=("/a/b",)),
        Route("number", paths=(r"~/a/\d+$",)), Route("any", paths=(r"~/a/.+",), regex_priority=-1),
        Route("first", paths=(r"~/a/x",), regex_priority=5),
    ]  # fmt: skip
    for path, name in (
        ("/", "root"),
        ("/a", "a"),
        ("/ab", "a"),
        ("/a/7", "number"),
        ("/a/b", "any"),
        ("/a/x", "first"),
    ):
        assert found(routes, path) == name, path
    assert found(routes[1:3], "/b") is None


def test_more_that_is_asked_for_goes_first_and_hosts_before_paths() -> None:
    routes = [
        Route("path", paths=("/a",)), Route("host", hosts=("h.com",)), Route("both", hosts=("h.com",), paths=("/a",)),
        Route("method", methods=("POST",)), Route("header", headers=(("x-v", ("1", "2")),)),
        Route("wild", hosts=("*.h.com",)), Route("port", hosts=("h.com:8000",)),
    ]  # fmt: skip
    assert found(routes, "/a", "other") == "path"
    assert found(routes, "/a", "h.com") == "both" and found(routes, "/b", "h.com") == "host"
    assert found(routes, "/b", "x.h.com") == "wild" and found(routes, "/b", "h.com:8000") in ("host", "port")
    assert found(routes, "/b", "x", "POST") == "method" and found(routes, "/a", "x", "POST") == "path"
    assert found(routes, "/b", "x", x_v="2") == "header" and found(routes, "/b", "x", x_v="3") is None
    pattern = [Route("p", headers=(("x-v", ("~*^v[0-9]$",)),))]
    assert found(pattern, x_v="V7") == "p" and found(pattern, x_v="v77") is None
    assert found([Route("w", hosts=("h.*",))], host="h.org") == "w"


def test_of_equal_ones_the_first_in_the_document() -> None:
    assert found([Route("one", paths=("/a",)), Route("two", paths=("/a",))], "/a") == "one"


def test_named_groups_are_kept() -> None:
    match = Router([Route("r", paths=(r"~/u/(?<id>\d+)",))]).find("GET", "h", "80", "/u/42/x", {})
    assert match and (match.prefix, match.groups) == ("/u/42", {"id": "42"})
    with pytest.raises(Invalid):
        Router([Route("r", paths=("~/(",))])


# Kong's own table of https://docs.konghq.com/gateway/latest/reference/router-operations-traditional/#path-handling
@pytest.mark.parametrize(
    ("base", "route", "strip", "handling", "request_path", "wanted"),
    [
        ("/s", "/fv0", False, "v0", "/fv0req", "/s/fv0req"),
        ("/s", "/tv0", True, "v0", "/tv0req", "/s/req"),
        ("/s/", "/tv0", True, "v0", "/tv0/req", "/s/req"),
        ("/s", "/fv1", False, "v1", "/fv1req", "/s/fv1req"),
        ("/s", "/tv1", True, "v1", "/tv1req", "/sreq"),
        ("/s", "/tv1/", True, "v1", "/tv1/req", "/sreq"),
        (None, "/a", True, "v0", "/a", "/"),
        (None, "/a", True, "v0", "/a/b", "/b"),
        ("/s", "/a", True, "v0", "/a/", "/s/"),
        ("/s", "/", True, "v0", "/", "/s"),
        ("/s", "/", False, "v0", "/", "/s"),
        (None, "/a", False, "v0", "/a/b", "/a/b"),
    ],
)
def test_paths_for_upstreams(
    base: Any, route: str, strip: bool, handling: str, request_path: str, wanted: str
) -> None:
    declared = Route("r", paths=(route,), strip_path=strip, path_handling=handling)
    assert upstream_path(base, request_path, route, declared) == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/a/b", "/a/b"), ("/a//b", "/a/b"), ("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/%61", "/a"), ("/a%2fb", "/a%2Fb"),
        ("/a/%2e%2e/b", "/b"), ("/..", None), ("/a/../../b", None), ("/%zz", None), ("/a%", None), ("/a/.", "/a/"),
        ("/a/..", "/"), ("/", "/"), ("/a/", "/a/"), ("/%7Ea", "/~a"), ("/a/.b", "/a/.b"), ("//", "/"),
    ],
)  # fmt: skip
def test_one_resource_has_one_spelling(path: str, wanted: str | None) -> None:
    assert normalised(path) == wanted


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "", "%2e", "%2E%2e", "%61", "%2F"]), max_size=8))
def test_what_is_normalised_stays_so_and_climbs_nowhere(parts: list[str]) -> None:
    path = normalised("/" + "/".join(parts))
    if path is not None:
        assert normalised(path) == path and ".." not in path.split("/") and "//" not in path
