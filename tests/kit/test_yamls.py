"""Configuration that people write."""

from __future__ import annotations

import pytest

from backendhub.kit import yamls
from backendhub.kit.errors import Invalid


def test_what_json_knows_and_nothing_else() -> None:
    text = "a: 1\nb: [x, 2020-01-01, 1.5, true, ~]\nbase: &b {q: 1}\nc: {<<: *b, q: 2}\n"
    assert yamls.read(text) == {
        "a": 1,
        "b": ["x", "2020-01-01", 1.5, True, None],
        "base": {"q": 1},
        "c": {"q": 2},
    }
    assert yamls.read('{"a": [1, {"b": "\\u00e9"}]}') == {"a": [1, {"b": "é"}]}
    assert yamls.read("") is None
    assert yamls.read(yamls.write({"z": [1, "two", None], "a": {"é": 1.5}})) == {
        "z": [1, "two", None],
        "a": {"é": 1.5},
    }


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "line 2"),
        ("a: 1\na: 2", "line 2: 'a' stands twice"),
        ("a: &x [*x]", "contains itself"),
        (BOMB, "more than 200,000 values"),
        ("a: !!python/object:os.system x", "line 1"),
        ("a: 1\n---\nb: 1", "another document"),
        ("? [1]\n: 2", "unhashable"),
        ("[" * 100_000 + "]" * 100_000, "line 1: it is nested deeper"),
        ("\x00", "is no YAML"),
        ("x" * (yamls.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        yamls.read(text, "kong.yml")
    assert caught.value.message.startswith("kong.yml") and says in caught.value.message
