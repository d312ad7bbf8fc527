"""The configuration: Envoy's form, and which limit a descriptor finds."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.kit.errors import Invalid
from backendhub.systems.rate_limiter.config import counted_on, load
from backendhub.systems.rate_limiter.models import Defaults, Descriptor

BASIC = """
domain: test-domain
descriptors:
  - key: key1
    value: value1
    descriptors:
      - key: subkey1
        rate_limit: {unit: second, requests_per_unit: 5}
      - key: subkey1
        value: subvalue1
        rate_limit: {unit: SECOND, requests_per_unit: 10}
  - key: key2
    rate_limit: {unit: minute, requests_per_unit: 20}
  - key: key2
    value: value2
    rate_limit: {unit: minute, requests_per_unit: 30, name: two}
  - key: key2
    value: value3
  - key: key5
    value: value5
    rate_limit: {unit: day, requests_per_unit: 15}
    descriptors:
      - key: subkey5
        value: subvalue5
        rate_limit: {unit: week, requests_per_unit: 25}
  - key: key6
    rate_limit: {unlimited: true}
  - key: key7
    detailed_metric: true
    rate_limit: {unit: minute, requests_per_unit: 70}
  - key: count
    value: 7
    rate_limit: {unit: month, requests_per_unit: 0}
"""
WILD = """
domain: d
descriptors:
  - {key: wild, value: foo*, rate_limit: {unit: minute, requests_per_unit: 20}}
  - {key: mid, value: bar*b, rate_limit: {unit: minute, requests_per_unit: 21}}
  - {key: multi, value: foo*bar*baz, rate_limit: {unit: minute, requests_per_unit: 22}}
  - {key: file, value: test1, rate_limit: {unit: minute, requests_per_unit: 50}}
  - {key: file, value: test*, share_threshold: true, rate_limit: {unit: minute, requests_per_unit: 100}}
  - key: path
    value: path/*
    share_threshold: true
    descriptors:
      - key: file
        value: file/*
        descriptors:
          - {key: type, value_to_metric: true, rate_limit: {unit: minute, requests_per_unit: 120}}
"""


def find(text: str, *entries: tuple[str, str], domain: str = "test-domain") -> Any:
    return load([("limits.yaml", text)], Defaults()).find(domain, Descriptor(entries))


@pytest.mark.parametrize(
    ("entries", "amount", "path"),
    [
        ([("key1", "value1"), ("subkey1", "x")], 5, "test-domain.key1_value1.subkey1"),
        ([("key1", "value1"), ("subkey1", "subvalue1")], 10, "test-domain.key1_value1.subkey1_subvalue1"),
        ([("key2", "any")], 20, "test-domain.key2"),
        ([("key2", "value2")], 30, "test-domain.key2_value2"),
        ([("key5", "value5")], 15, "test-domain.key5_value5"),
        ([("key5", "value5"), ("subkey5", "subvalue5")], 25, "test-domain.key5_value5.subkey5_subvalue5"),
        ([("count", "7")], 0, "test-domain.count_7"),
    ],
)
def test_the_limit_at_the_depth_of_the_descriptor(entries: Any, amount: int, path: str) -> None:
    match = find(BASIC, *entries)
    assert (match.limit.amount, match.limit.path, match.label) == (amount, path, path)


@pytest.mark.parametrize(
    "entries",
    [
        [("key1", "value1")],  # no limit there
        [("key1", "other"), ("subkey1", "x")],
        [("key2", "value3")],  # a value without a limit is let through
        [("key2", "value2"), ("more", "x")],  # deeper than the configuration
        [("unknown", "x")],
    ],
)
def test_no_limit(entries: Any) -> None:
    assert find(BASIC, *entries) is None
    assert find(BASIC, ("key2", "x"), domain="other") is None


def test_what_a_limit_says() -> None:
    assert find(BASIC, ("key6", "x")).limit.unlimited
    assert find(BASIC, ("key7", "ada")).label == "test-domain.key7_ada"
    limit = find(BASIC, ("key2", "value2")).limit
    assert (limit.name, limit.unit, limit.rule.period, limit.rule.algorithm) == (
        "two",
        "minute",
        60,
        "fixed-window",
    )
    text = BASIC.replace(
        "requests_per_unit: 20", "requests_per_unit: 20, algorithm: gcra, burst: 3, fail: closed"
    )
    rule = find(text, ("key2", "x")).limit.rule
    assert (rule.algorithm, rule.burst, rule.fail, rule.name) == ("gcra", 3, "closed", "test-domain.key2")
    found = load([("a", BASIC)], Defaults("sliding-log", "closed", shadow=True))
    match = found.find("test-domain", Descriptor((("key2", "x"),)))
    assert match and match.limit.rule and match.limit.shadow
    assert (match.limit.rule.algorithm, match.limit.rule.fail) == ("sliding-log", "closed")
    override = found.find("test-domain", Descriptor((("new", "x"),), (42, "hour")))
    assert override and (override.limit.amount, override.limit.unit) == (42, "hour")


@pytest.mark.parametrize(
    ("key", "value", "amount"),
    [
        ("wild", "foo", 20), ("wild", "foo1", 20), ("wild", "fo", None), ("mid", "bar123b", 21), ("mid", "barb", 21),
        ("mid", "bar", None), ("multi", "foo1bar2baz", 22), ("multi", "foobarbaz", 22), ("multi", "foobaz", None),
        ("file", "test1", 50), ("file", "test2", 100),
    ],
)  # fmt: skip
def test_patterns_of_values(key: str, value: str, amount: int | None) -> None:
    match = find(WILD, (key, value), domain="d")
    assert (match and match.limit.amount) == amount


def test_values_that_share_a_limit() -> None:
    assert find(WILD, ("file", "test2"), domain="d").key == find(WILD, ("file", "test3"), domain="d").key
    assert find(WILD, ("wild", "foo2"), domain="d").key != find(WILD, ("wild", "foo3"), domain="d").key
    one, two, other = (
        find(WILD, ("path", f"path/{a}"), ("file", f"file/{b}"), ("type", "x"), domain="d")
        for a, b in (("1", "1"), ("2", "1"), ("1", "2"))
    )
    assert one.key == two.key != other.key and one.label.endswith(".type_x")


def test_keys_differ_wherever_descriptors_do() -> None:
    entries = [
        (("a", "b"), ("c", "d")),
        (("a", "b|c=d"),),
        (("a=b|c", "d"),),
        (("a", "b%7Cc=d"),),
        (("a", "x" * 600),),
    ]
    keys = {counted_on("d", e) for e in entries} | {counted_on("d|a=b", (("c", "d"),))}
    assert len(keys) == 6 and all(len(key) <= 512 for key in keys)
    assert counted_on("d", (("a", "x" * 601),)) not in keys


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("domain: d\ndescriptors:\n  - {key: a, rate_limit: {unit: foo, requests_per_unit: 1}}", "no unit"),
        ("descriptors: []", "domain"),
        ("domain: d\ndescriptors: [{key: ''}]", "no key"),
        ("domain: d\ndescriptors: [{key: a}, {key: a}]", "d.a stands twice"),
        ("domain: d\ndescriptors: [{key: a, value: b*}, {key: a, value: b*}]", "twice"),
        ("domain: d\ndescriptors: [a, b]", "'a' stands where a mapping should"),
        ("domain: d\nfoo: 1", "no 'foo'"),
        ("domain: d\ndescriptors: [{key: a, ratelimit: {}}]", "no 'ratelimit'"),
        ("domain: d\ndescriptors: [{key: a, share_threshold: true}]", "needs a value with a *"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unlimited: true, unit: day}}]", "unlimited"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: -1}}]", "requests_per_unit"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1, burst: 2}}]", "burst"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1, burst: x}}]", "burst"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1, algorithm: y}}]", "'y'"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1, name: n, "
         "replaces: [{name: n}]}}]", "itself"),
        ("domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 1, replaces: [{name: ''}]}}]",
         "no name"),
        ("domain: d\ndescriptors: [{key: a, shadow_mode: maybe}]", "true or false"),
        ("domain: d\nfoo: ]", "line 2"),
        ("[]", "mapping"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        load([("limits.yaml", text)], Defaults())
    assert caught.value.message.startswith("limits.yaml") and says in caught.value.message


def test_a_domain_stands_in_one_file() -> None:
    with pytest.raises(Invalid, match="another file"):
        load([("a.yaml", BASIC), ("b.yaml", BASIC)], Defaults())
