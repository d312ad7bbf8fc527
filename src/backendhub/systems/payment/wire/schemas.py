"""Tables of parameters as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping

from .kinds import MAX_ITEMS, MAX_STRING, RANGE, Json, Kind, Parameter, bounds

MAP = Kind("map")
TOLD = 2
"""Hashes within hashes are told of; what is deeper (the address of the billing details of payment_method_data) is an object."""
SEVERAL = 8
"""So many members that are objects of anything (a way to pay each) are told of in one line."""


def schema_of(members: Mapping[str, Parameter], depth: int = 0) -> Json:
    """The schema of a hash with these members."""
    if depth >= TOLD:
        return {"type": "object"}
    alike = [name for name, p in members.items() if not p.required and p.kinds == [MAP]]
    alike = alike if len(alike) >= SEVERAL else []
    schema: Json = {
        "type": "object",
        "properties": {name: _any_of(p.kinds, depth) for name, p in members.items() if name not in alike},
        "additionalProperties": False,
    }
    if alike:
        schema["patternProperties"] = {f"^({'|'.join(alike)})$": _schema(MAP, depth)}
    if required := [p.name for p in members.values() if p.required]:
        schema["required"] = required
    return schema


def _any_of(kinds: list[Kind], depth: int) -> Json:
    told = [_schema(kind, depth) for kind in kinds]
    return told[0] if len(told) == 1 else {"anyOf": told}


def _schema(kind: Kind, depth: int) -> Json:
    word, rest = kind.word, kind.rest
    if word in ("int", "amount", "days", "time"):
        return _between(kind)
    if word == "str":
        return {"type": "string", "maxLength": int(rest[0]) if rest else MAX_STRING}
    if word == "list":
        assert kind.item is not None
        return {
            "type": "array",
            "items": _schema(kind.item, depth),
            "maxItems": int(rest[0]) if rest else MAX_ITEMS,
        }
    if word == "hash":
        return schema_of(kind.members, depth + 1)
    if word == "range":
        return {"anyOf": [_between(kind), {"type": "object", "description": ", ".join(RANGE)}]}
    if word == "by":
        return {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]{3}$"},
            "additionalProperties": schema_of(kind.members, depth + 1),
        }
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


def _between(kind: Kind) -> Json:
    least, most = bounds(kind)
    return {"type": "integer", "minimum": least, "maximum": most}
