"""Parameters of operations, declared as a table and read strictly.

    CREATE = parameters('''
    amount! int 1..
    currency! currency
    shipping hash | empty
      address! address
      name! str
    items list hash
      price str
    metadata metadata
    ''')

One line each: a name, `!` where it is required, and a type. Types: `str [max]`, `int [min..max]`, `bool`, `decimal`, `time`,
`currency`, `metadata`, `map`, `any`, `enum a b c`, `hash` and `list hash` (their members stand below, indented), `list TYPE`,
`address`, `range` (`created[gte]`), and `A | B`. `| empty` takes `""`, which stands for None and unsets; `str`, `metadata`
and `decimal` do so unless they are required.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.kit.money import currency as known_currency
from backendhub.systems.payment.errors import ApiError

Json = dict[str, Any]
MAX_STRING = 5000
MAX_INT = 2**53 - 1
MAX_ITEMS = 100
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


@dataclass(slots=True)
class Kind:
    """A type: its word, what follows it, and the members of a hash."""

    word: str
    rest: tuple[str, ...] = ()
    members: dict[str, Parameter] = field(default_factory=dict)
    item: Kind | None = None


@dataclass(slots=True)
class Parameter:
    """One parameter: any of its kinds will do."""

    name: str
    required: bool
    kinds: list[Kind]


@dataclass(slots=True)
class Parameters:
    """The parameters of an operation."""

    members: dict[str, Parameter]

    def read(self, given: Mapping[str, Any]) -> Json:
        """The values of a request, typed. Raises ApiError for the first thing that is wrong."""
        return _hash(self.members, given, "")

    def schema(self) -> Json:
        """The JSON Schema."""
        return _schema_of(self.members)

    def narrow(self) -> Parameters:
        """The same with texts that fit into an address: a query holds 64 KiB in all."""
        fits = {
            name: Parameter(name, p.required, [_narrow(kind) for kind in p.kinds])
            for name, p in self.members.items()
        }
        return Parameters(fits)

    def __or__(self, other: Parameters) -> Parameters:
        """These and others."""
        return Parameters(self.members | other.members)


def _narrow(kind: Kind) -> Kind:
    if kind.word == "list" and kind.item is not None and kind.item.word == "str":
        return Kind("list", ("20",), item=Kind("str", ("60",)))
    return Kind("str", ("300",)) if kind == Kind("str") else kind


@cache
def parameters(table: str = "") -> Parameters:
    """Reads a table. Raises ValueError where it cannot be read."""
    root: dict[str, Parameter] = {}
    levels: list[dict[str, Parameter]] = [root]
    for line in table.splitlines():
        if not line.strip():
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        if depth >= len(levels):
            raise ValueError(f"{line!r} belongs to nothing")
        del levels[depth + 1 :]
        name, _, types = line.strip().partition(" ")
        kinds = [_kind(words.split()) for words in (types or "str").split(" | ")]
        levels[depth][name.rstrip("!")] = Parameter(name.rstrip("!"), name.endswith("!"), kinds)
        levels.append(next((m for k in kinds if (m := _members(k)) is not None), {}))
    return Parameters(root)


def _kind(words: list[str]) -> Kind:
    word, *rest = words
    if word == "list":
        return Kind("list", item=_kind(rest))
    if word == "address":
        members = {name: Parameter(name, False, [Kind("str")]) for name in ADDRESS}
        return Kind("hash", members=members)
    if word not in READERS:
        raise ValueError(f"There is no type {word!r}")
    return Kind(word, tuple(rest))


def _members(kind: Kind) -> dict[str, Parameter] | None:
    if kind.word == "list" and kind.item is not None:
        return _members(kind.item)
    return kind.members if kind.word == "hash" else None


# -- reading -----------------------------------------------------------------------------------------------


def _hash(members: Mapping[str, Parameter], given: Mapping[str, Any], path: str) -> Json:
    unknown = [_join(path, name) for name in given if name not in members]
    if unknown:
        several = "s" if len(unknown) > 1 else ""
        listed = ", ".join(name[:100] for name in unknown[:10])
        raise ApiError(
            f"Received unknown parameter{several}: {listed}", code="parameter_unknown", param=unknown[0][:200]
        )
    found: Json = {}
    for name, parameter in members.items():
        if name in given:
            found[name] = _value(parameter, given[name], _join(path, name))
        elif parameter.required:
            where = _join(path, name)
            raise ApiError(f"Missing required param: {where}.", code="parameter_missing", param=where)
    return found


def _value(parameter: Parameter, value: Any, path: str) -> Any:
    """A value as the first kind that takes it."""
    if value == "":
        if _clears(parameter):
            return None
        raise ApiError(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    first: ApiError | None = None
    for kind in parameter.kinds:
        if kind.word == "empty":
            continue
        try:
            return READERS[kind.word](kind, value, path)
        except ApiError as error:
            first = first if first is not None and first.param == path else error
    assert first is not None
    raise first


def _clears(parameter: Parameter) -> bool:
    words = {kind.word for kind in parameter.kinds}
    return "empty" in words or (not parameter.required and bool(words & {"str", "metadata", "decimal"}))


def _string(kind: Kind, value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise ApiError(f"Invalid string: {_shown(value)}", param=path)
    most = int(kind.rest[0]) if kind.rest else MAX_STRING
    if len(value) > most:
        raise ApiError(
            f"Invalid string: {value[:12]}...; must be at most {most} characters",
            code="parameter_invalid_string",
            param=path,
        )
    return value


def _integer(kind: Kind, value: Any, path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?[0-9]{1,17}", value):
        raise ApiError(f"Invalid integer: {_shown(value)}", code="parameter_invalid_integer", param=path)
    number = int(value)
    low, _, high = (kind.rest[0] if kind.rest else "..").partition("..")
    least, most = int(low) if low else -MAX_INT, int(high) if high else MAX_INT
    if number < least:
        what = f"This value must be greater than or equal to {least}."
        raise ApiError(
            f"Invalid {'positive ' if least == 1 else 'non-negative ' if least == 0 else ''}integer"
            if least in (0, 1)
            else what,
            code="parameter_invalid_integer",
            param=path,
        )
    if number > most:
        raise ApiError(
            f"This value must be less than or equal to {most}.", code="parameter_invalid_integer", param=path
        )
    return number


def _boolean(kind: Kind, value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ApiError(f"Invalid boolean: {_shown(value)}", param=path)
    return bool(value == "true")


def _decimal(kind: Kind, value: Any, path: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,12})?", value):
        raise ApiError(f"Invalid decimal: {_shown(value)}", code="parameter_invalid_string", param=path)
    return value


def _enum(kind: Kind, value: Any, path: str) -> str:
    if value not in kind.rest:
        words = kind.rest
        listed = " or ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])}, or {words[-1]}"
        raise ApiError(f"Invalid {path}: must be one of {listed}", param=path)
    return str(value)


def _currency(kind: Kind, value: Any, path: str) -> str:
    text = _string(kind, value, path)
    try:
        if not re.fullmatch(r"[A-Za-z]{3}", text):
            raise Invalid("")
        return known_currency(text.upper()).lower()
    except Invalid:
        raise ApiError(
            f"Invalid currency: {text[:20]}. Stripe currently supports these currencies: those of ISO 4217.".replace(
                "Stripe currently supports these currencies", "Known are"
            ),
            param=path,
        ) from None


def _metadata(kind: Kind, value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=path)
    for key, each in value.items():
        if not isinstance(each, str):
            raise ApiError("Metadata values must be strings.", param=f"{path}[{key}]")
        if len(key) > 40:
            raise ApiError(
                f"Metadata keys can have up to 40 characters, but '{key[:40]}…' has more.", param=path
            )
        if len(each) > 500:
            raise ApiError(
                "Metadata values can have up to 500 characters, but you passed in a value that is "
                f"{len(each)} characters.",
                param=f"{path}[{key}]",
            )
    return dict(value)


def _object(kind: Kind, value: Any, path: str) -> Json:
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=path)
    return _hash(kind.members, value, path)


def _list(kind: Kind, value: Any, path: str) -> list[Any]:
    if isinstance(value, dict) and value and all(re.fullmatch(r"#?\d{1,9}", key) for key in value):
        value = [value[key] for key in sorted(value, key=lambda key: int(key.lstrip("#")))]
    if not isinstance(value, list):
        raise ApiError("Invalid array", param=path)
    most = int(kind.rest[0]) if kind.rest else MAX_ITEMS
    if len(value) > most:
        raise ApiError(f"You may pass up to {most} elements.", param=path)
    assert kind.item is not None
    element = Parameter("", True, [kind.item])
    return [_value(element, each, f"{path}[{n}]") for n, each in enumerate(value)]


def _map(kind: Kind, value: Any, path: str) -> Json:
    """An object of anything."""
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=path)
    return {key: _any(kind, each, path) for key, each in value.items()}


def _any(kind: Kind, value: Any, path: str) -> Any:
    """Whatever was sent, lists made of what looks like them."""
    if isinstance(value, list):
        return [_any(kind, each, path) for each in value]
    if not isinstance(value, dict):
        return value
    if value and all(re.fullmatch(r"#?\d{1,9}", key) for key in value):
        return [_any(kind, value[key], path) for key in sorted(value, key=lambda k: int(k.lstrip("#")))]
    return {key: _any(kind, each, path) for key, each in value.items()}


def _range(kind: Kind, value: Any, path: str) -> Json:
    """`created=1` or `created[gte]=1`."""
    if isinstance(value, str):
        return {":": _integer(kind, value, path)}
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=path)
    for key in value:
        if key not in RANGE:
            raise ApiError(
                f"Received unknown parameter: {path}[{key[:100]}]",
                code="parameter_unknown",
                param=f"{path}[{key[:100]}]",
            )
    return {RANGE[key]: _integer(kind, each, f"{path}[{key}]") for key, each in value.items()}


RANGE = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
READERS: dict[str, Callable[[Kind, Any, str], Any]] = {
    "str": _string,
    "int": _integer,
    "bool": _boolean,
    "decimal": _decimal,
    "time": _integer,
    "enum": _enum,
    "currency": _currency,
    "metadata": _metadata,
    "hash": _object,
    "list": _list,
    "map": _map,
    "any": _any,
    "range": _range,
    "empty": _any,
}


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _shown(value: Any) -> str:
    return value[:100] if isinstance(value, str) else "an object" if isinstance(value, dict) else str(value)


# -- describing --------------------------------------------------------------------------------------------


def _schema_of(members: Mapping[str, Parameter]) -> Json:
    schema: Json = {
        "type": "object",
        "properties": {name: _any_of(p.kinds) for name, p in members.items()},
        "additionalProperties": False,
    }
    if required := [p.name for p in members.values() if p.required]:
        schema["required"] = required
    return schema


def _any_of(kinds: list[Kind]) -> Json:
    told = [_schema(kind) for kind in kinds]
    return told[0] if len(told) == 1 else {"anyOf": told}


def _schema(kind: Kind) -> Json:
    word, rest = kind.word, kind.rest
    if word in ("int", "time"):
        low, _, high = (rest[0] if rest else "..").partition("..")
        return {
            "type": "integer",
            "minimum": int(low) if low else -MAX_INT,
            "maximum": int(high) if high else MAX_INT,
        }
    if word == "str":
        return {"type": "string", "maxLength": int(rest[0]) if rest else MAX_STRING}
    if word == "list":
        assert kind.item is not None
        return {"type": "array", "items": _schema(kind.item), "maxItems": int(rest[0]) if rest else MAX_ITEMS}
    if word == "hash":
        return _schema_of(kind.members)
    if word == "range":
        bounds = {name: {"type": "integer"} for name in RANGE}
        return {"anyOf": [{"type": "integer"}, {"type": "object", "properties": bounds}]}
    plain: dict[str, Json] = {
        "bool": {"type": "boolean"},
        "decimal": {"type": "string", "pattern": r"^-?[0-9]{1,15}(\.[0-9]{1,12})?$"},
        "enum": {"enum": list(rest)},
        "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}},
        "empty": {"const": ""},
        "map": {"type": "object"},
    }
    return plain.get(word, {})
