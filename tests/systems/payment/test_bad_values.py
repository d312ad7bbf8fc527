"""Odd values of every time, amount, currency and object that the document names: refused, or taken, but never a 500."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from backendhub import registry
from backendhub.kit import hub as hubs
from backendhub.kit import web
from backendhub.kit.settings import Settings
from backendhub.systems.payment import api as _routes
from backendhub.systems.payment import resources
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.models import Json
from backendhub.systems.payment.wire.kinds import Kind, Parameter, bounds
from backendhub.systems.payment.wire.operations import tables

from .conftest import KEY

assert _routes  # declares the operations
Leaf = tuple[str, str, tuple[str, ...], Kind]
NUMBERS = ("int", "amount", "days", "time", "range")
WATCHED = (*NUMBERS, "decimal", "currency", "by")
NAMED = {"customer": "cus_123", "price": "price_123", "product": "prod_123", "subscription": "sub_123"}
NAMED |= {"payment_method": "pm_card_visa", "coupon": "Z4OV52SU", "charge": "ch_123", "invoice": "in_123"}


def leaves(members: Mapping[str, Parameter], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Kind]]:
    for name, parameter in members.items():
        for kind in parameter.kinds:
            here, inner = (*path, name), kind
            while inner.word == "list" and inner.item is not None:
                here, inner = (*here, "0"), inner.item
            if inner.word in WATCHED:
                yield here, inner
            if inner.word in ("hash", "by"):
                yield from leaves(inner.members, (*here, "eur") if inner.word == "by" else here)


FOUND: list[Leaf] = [
    (method, path, *leaf)
    for (method, path), (table, _) in tables().items()
    for leaf in leaves(table.members, ())
]


def extreme(kind: Kind) -> Any:
    """The most that the type takes: what is worked out from it is the service's affair."""
    if kind.word in NUMBERS:
        return str(bounds(kind)[1])
    return {"decimal": "999999999999999.999999999999", "currency": "clf", "by": {"usd": {}}}[kind.word]


def refused(kind: Kind) -> list[Any]:
    """What the type does not take."""
    if kind.word in NUMBERS:
        least, most = bounds(kind)
        return [str(most + 1), str(least - 1), "9" * 40, "1.5", None, [1], {"x": {"y": "1"}}]
    if kind.word == "by":
        return ["usd", None, [{"unit_amount": 1}], {"zzz": {}}, {"usd": None}, {"usd": [1]}, {"usd": "1"}]
    return [None, True, [], {"x": "1"}, 10**30, "٣٣٣", "nan"]


def sample(members: Mapping[str, Parameter]) -> Json:
    """The least that a request needs."""
    return {name: value(name, p.kinds[0]) for name, p in members.items() if p.required}


def value(name: str, kind: Kind) -> Any:
    if kind.word == "list" and kind.item is not None:
        return [value(name, kind.item)]
    if kind.word == "hash":
        return sample(kind.members)
    if kind.word in NUMBERS:
        return str(max(bounds(kind)[0], 1000))
    words = {"enum": kind.rest[0] if kind.rest else "", "currency": "usd", "bool": "true", "decimal": "1"}
    return words.get(kind.word) or NAMED.get(name, "x")


def request_for(leaf: Leaf, given: Any) -> tuple[str, str, Json]:
    """A request that gives one parameter a value, and beside it what is needed."""
    method, path, where, _ = leaf
    body = sample(tables()[method, path][0].members)
    at: Any = body
    for part in where[:-1]:
        if isinstance(at, list):
            at = at[0]
        else:
            at[part] = at = at[part] if isinstance(at.get(part), (dict, list)) else {}
    at[0 if isinstance(at, list) else where[-1]] = given
    return method, address(path), body


def address(path: str) -> str:
    """A path in which ids are Stripe's examples."""
    owner = next((r for r in resources.every() if r.path and path.startswith(r.path + "/{")), None)
    return (
        path.replace("{id}", NAMED.get(owner.kind, f"{owner.prefix}_123") if owner else "x_123")
        .replace("{", "")
        .replace("}", "_123")
    )


@pytest.fixture
def ask(store_url: str) -> Iterator[Any]:
    """Sends a request to a server on each engine, on which Stripe's example ids exist, and gives the status."""
    declared = [option for system in registry.SYSTEMS for option in system.settings]
    hub = hubs.Hub(Settings({"database": store_url, "payment.fixtures": "stripe"}, declared=declared))
    hub.use("payment")
    hubs.install(hub)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    served: Any = web.build_app([registry.find("payment")], hub, single=True, log_format="none")

    with TestClient(served, raise_server_exceptions=False, headers=KEY) as client:

        def send(method: str, path: str, body: Json) -> Any:
            if method == "POST":
                return client.post(
                    path, content=json.dumps(body), headers={"Content-Type": "application/json"}
                )
            return client.request(method, path, params=dict(flat(body, "")))

        yield send
    hub.close()
    hubs.install(None)


def flat(value: Any, path: str) -> Iterable[tuple[str, str]]:
    """A body as the fields of a query."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from flat(each, f"{path}[{key}]" if path else key)
    elif isinstance(value, list):
        for each in value:
            yield from flat(each, f"{path}[]")
    else:
        yield path, str(value)


def test_the_most_of_each_is_taken_or_refused(ask: Any, engine: str) -> None:
    once = {
        (leaf[2], leaf[3].word): leaf for leaf in FOUND
    }  # a parameter of many operations is asked once there
    failed = [
        (*leaf[:3], answer.text)
        for leaf in (FOUND if engine == "sqlite" else once.values())
        if (answer := ask(*request_for(leaf, extreme(leaf[3])))).status_code >= 500
    ]
    assert failed == []


def test_what_is_none_of_its_type_is_refused() -> None:
    taken = []
    for leaf in FOUND:
        table, _ = tables()[leaf[0], leaf[1]]
        for bad in refused(leaf[3]):
            try:
                table.read(request_for(leaf, bad)[2])
            except ApiError as error:
                told = error.body()["error"]
                assert told["type"] == "invalid_request_error" and told["param"].startswith(leaf[2][0])
            else:
                taken.append((*leaf[:3], bad))
    assert taken == [], taken


REFUSED: list[tuple[str, Json, str | None]] = [
    ("/v1/test_helpers/test_clocks", {"frozen_time": "253402300800"}, "frozen_time"),
    ("/v1/subscriptions", {"customer": "cus_123", "trial_end": "253402300800"}, "trial_end"),
    ("/v1/coupons", {"percent_off": "5", "redeem_by": "-99999999999999"}, "redeem_by"),
    ("/v1/prices", {"currency": "usd", "unit_amount": "5", "currency_options": None}, "currency_options"),
    ("/v1/prices", {"currency": "usd", "unit_amount": "5", "currency_options": [1]}, "currency_options"),
    ("/v1/prices", {"currency": "usd", "unit_amount": "5", "currency_options": {"eur": [1]}}, "currency_options[eur]"),
    ("/v1/prices", {"currency": "usd", "unit_amount": "5", "currency_options": {"zzz": {}}}, "currency_options"),
    ("/v1/customers", {"metadata": {"a\0b": "c"}}, "metadata"),
    ("/v1/customers", {"name": "\ud800"}, "name"),
]  # fmt: skip


def test_it_is_told_in_stripes_words(ask: Any) -> None:
    for path, body, param in REFUSED:
        answer = ask("POST", path, body)
        told = answer.json()["error"]
        assert (answer.status_code, told["type"]) == (400, "invalid_request_error"), answer.text
        assert told.get("param") == param, answer.text


def test_amounts_are_multiplied_within_bounds(ask: Any) -> None:
    made = {"currency": "usd", "unit_amount": "999999999999", "product_data": {"name": "Gold"}}
    once = ask("POST", "/v1/prices", made).json()["id"]
    monthly = ask("POST", "/v1/prices", made | {"recurring": {"interval": "month"}}).json()["id"]
    customer = ask("POST", "/v1/customers", {}).json()["id"]
    for path, body in (
        ("/v1/subscriptions", {"items": [{"price": monthly, "quantity": 10**10}], "trial_period_days": 7}),
        ("/v1/invoiceitems", {"pricing": {"price": once}, "quantity": 10**10}),
        ("/v1/subscriptions", {"items": [{"price": monthly}], "collection_method": "send_invoice", "days_until_due": 10**12}),
    ):  # fmt: skip
        answer = ask("POST", path, {"customer": customer} | body)
        assert answer.status_code == 400, answer.text
