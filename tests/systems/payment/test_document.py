"""What the document says of parameters: once, and not deeper than people read."""

from __future__ import annotations

from typing import Any

from backendhub.systems.payment.wire.parameters import parameters
from backendhub.systems.payment.wire.schemas import SEVERAL

WAYS = "\n".join(f"way{n} map" for n in range(SEVERAL))


def test_bodies_are_told_once(api: Any) -> None:
    told = api.get("/openapi.json").json()["paths"]["/v1/prices"]["post"]["requestBody"]["content"]
    assert told["application/x-www-form-urlencoded"]["schema"]["type"] == "object"
    whole = told["application/json"]["schema"]
    assert (whole["required"], whole["additionalProperties"]) == (["currency"], False)
    options = whole["properties"]["currency_options"]
    assert options["propertyNames"] == {"pattern": "^[a-z]{3}$"}
    assert options["additionalProperties"]["properties"]["custom_unit_amount"] == {"type": "object"}


def test_many_ways_to_pay_are_one_line() -> None:
    told = parameters(f"name str\n{WAYS}\nother hash\n  own map\n").schema()
    assert list(told["properties"]) == ["name", "other"]
    (pattern,) = told["patternProperties"]
    assert pattern.startswith("^(way0|way1|") and pattern.endswith(")$")
    assert told["properties"]["other"]["properties"] == {"own": {"type": "object"}}
