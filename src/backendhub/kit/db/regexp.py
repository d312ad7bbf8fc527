"""Regular expressions for SQLite, through pydantic-core: the engine of Rust's `regex`, which never backtracks."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from backendhub.kit.errors import Malformed


@lru_cache(maxsize=64)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text contains a match. Raises Malformed for a pattern that is broken or too large."""
    try:
        schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        return SchemaValidator(schema).isinstance_python
    except SchemaError as error:
        raise Malformed(f"The pattern {pattern!r} cannot be used.") from error
