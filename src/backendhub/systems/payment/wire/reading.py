"""Reading what a request sends as its table of parameters wants it: the first thing that is wrong is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.kit.money import currency as known_currency
from backendhub.systems.payment.errors import ApiError

from .kinds import MAX_ITEMS, MAX_STRING, RANGE, Json, Kind, Parameter, bounds


def read(members: Mapping[str, Parameter], given: Mapping[str, Any]) -> Json:
    """The values of a request, typed. Raises ApiError for the first thing that is wrong."""
    return _hash(members, given, "")


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
    least, most = bounds(kind)
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


def _time(kind: Kind, value: Any, path: str) -> int:
    """A moment that is a date: what is worked out from it later must not leave the calendar."""
    try:
        return _integer(kind, value, path)
    except ApiError:
        least, most = bounds(kind)
        raise ApiError(
            f"Invalid timestamp: {_shown(value)}. It must be an integer Unix timestamp between {least} and {most}.",
            code="parameter_invalid_integer",
            param=path,
        ) from None


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


def _by(kind: Kind, value: Any, path: str) -> Json:
    """An object of objects, by currency."""
    if not isinstance(value, dict):
        raise ApiError("Invalid object", param=path)
    known = Kind("currency")
    return {_currency(known, key, path): _object(kind, each, _join(path, key)) for key, each in value.items()}


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
    if not isinstance(value, dict):
        return {":": _time(kind, value, path)}
    if not value:
        raise ApiError("Invalid object", param=path)
    for key in value:
        if key not in RANGE:
            raise ApiError(
                f"Received unknown parameter: {path}[{key[:100]}]",
                code="parameter_unknown",
                param=f"{path}[{key[:100]}]",
            )
    return {RANGE[key]: _time(kind, each, f"{path}[{key}]") for key, each in value.items()}


READERS: dict[str, Callable[[Kind, Any, str], Any]] = {
    "str": _string,
    "int": _integer,
    "bool": _boolean,
    "decimal": _decimal,
    "amount": _integer,
    "days": _integer,
    "time": _time,
    "enum": _enum,
    "currency": _currency,
    "metadata": _metadata,
    "hash": _object,
    "by": _by,
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
