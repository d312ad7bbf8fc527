"""JSON Schema for resources (extra: schema): what rows must look like, with a JSON Pointer for all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backendhub.kit.errors import Invalid, MissingExtra

from .values import escaped

Schema = dict[str, Any]
SHARED = ("$defs", "definitions", "$schema")


def of_resources(document: Any) -> dict[str, Schema]:
    """The schema of each resource's rows, from `{"posts": {…}}` or from the schema of a whole db.json."""
    if not isinstance(document, dict):
        raise Invalid("A schema file holds a JSON object: a schema for each resource.")
    shared = {name: document[name] for name in SHARED if name in document}
    whole = document.get("properties") if document.get("type", "object") == "object" else None
    parts = whole if isinstance(whole, dict) else {k: v for k, v in document.items() if k not in SHARED}
    found = {}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise Invalid(f"The schema of {name!r} is no object.")
        rows = part["items"] if part.get("type") == "array" and isinstance(part.get("items"), dict) else part
        found[name] = shared | rows
    return found


class Validators:
    """Checks rows against the schemas of their resources."""

    def __init__(self, schemas: Mapping[str, Schema], *, id: str = "id") -> None:
        """Raises Invalid for a schema that is none, MissingExtra without jsonschema-rs.

        The server gives rows their `id`: a schema need not name it, and one that requires it is met by a row
        that will have one.
        """
        try:
            import jsonschema_rs
        except ImportError:
            raise MissingExtra("JSON Schema validation", "schema") from None
        self._validators = {}
        for name, schema in schemas.items():
            try:
                self._validators[name] = jsonschema_rs.validator_for(
                    _without_id(schema, id), validate_formats=True, offline=True
                )
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
                why = getattr(error, "message", None) or str(error)
                raise Invalid(f"The schema of {name!r} cannot be used: {why}.") from None

    def check(self, resource: str, value: Any) -> None:
        """Raises Invalid with everything that is wrong with a row."""
        validator = self._validators.get(resource)
        if validator is None or validator.is_valid(value):
            return
        errors = [
            {
                "in": "body",
                "pointer": "".join("/" + escaped(str(part)) for part in error.instance_path),
                "code": str(error.schema_path[-1]) if error.schema_path else "false",
                "detail": error.message[:300],
            }
            for error in validator.iter_errors(value)
        ]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Invalid(f"{errors[0]['pointer'] or 'The body'}: {errors[0]['detail']}{more}.", errors=errors)


def _without_id(schema: Schema, id: str) -> Schema:
    found = dict(schema)
    if isinstance(found.get("required"), list):
        found["required"] = [name for name in found["required"] if name != id]
    if isinstance(found.get("properties"), dict):
        found["properties"] = {id: True} | found["properties"]
    return found
