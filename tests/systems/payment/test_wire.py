"""What is alike in every operation: forms, parameters, errors, lists, search, expansion, versions, idempotency."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from backendhub.kit.db import Db
from backendhub.systems.payment import objects
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.service import customers
from backendhub.systems.payment.wire import forms, lists, versions
from backendhub.systems.payment.wire.parameters import parameters

TABLE = parameters("""
amount! int 1..
currency currency
name str 5
shipping hash | empty
  name! str
  address address
items list hash
  price! str
  tags list str
mode enum a b | empty
live bool
metadata metadata
when time | enum now
created range
""")


def read(query: str) -> Any:
    return TABLE.read(forms.tree(forms.pairs(query)))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("amount=5", {"amount": 5}),
        ("amount=5&currency=EUR", {"amount": 5, "currency": "eur"}),
        ("amount=5&name=", {"amount": 5, "name": None}),
        ("amount=5&shipping=", {"amount": 5, "shipping": None}),
        (
            "amount=5&shipping[name]=x&shipping[address][city]=Y",
            {"shipping": {"name": "x", "address": {"city": "Y"}}},
        ),
        ("amount=5&items[0][price]=p&items[1][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        ("amount=5&items[][price]=p&items[][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        (
            "amount=5&items[][price]=p&items[][tags][]=a&items[][tags][]=b",
            {"items": [{"price": "p", "tags": ["a", "b"]}]},
        ),
        ("amount=5&items[10][price]=p&items[9][price]=q", {"items": [{"price": "q"}, {"price": "p"}]}),
        ("amount=5&live=true&mode=a&when=now", {"live": True, "mode": "a", "when": "now"}),
        ("amount=5&mode=&when=3", {"mode": None, "when": 3}),
        ("amount=5&metadata[a]=1&metadata[b]=", {"metadata": {"a": "1", "b": ""}}),
        ("amount=5&metadata=", {"metadata": None}),
        ("amount=5&created[gte]=1&created[lt]=9", {"created": {">=": 1, "<": 9}}),
        ("amount=5&created=7", {"created": {":": 7}}),
    ],
)
def test_forms_become_values(query: str, found: dict[str, Any]) -> None:
    assert read(query) == {"amount": 5} | found


@pytest.mark.parametrize(
    ("query", "code", "param", "message"),
    [
        ("", "parameter_missing", "amount", "Missing required param: amount."),
        ("amount=5&foo=1", "parameter_unknown", "foo", "Received unknown parameter: foo"),
        ("amount=5&foo=1&bar=2", "parameter_unknown", "foo", "Received unknown parameters: foo, bar"),
        (
            "amount=5&shipping[x]=1",
            "parameter_unknown",
            "shipping[x]",
            "Received unknown parameter: shipping[x]",
        ),
        (
            "amount=5&shipping[address][city]=1",
            "parameter_missing",
            "shipping[name]",
            "Missing required param: shipping[name].",
        ),
        ("amount=1.5", "parameter_invalid_integer", "amount", "Invalid integer: 1.5"),
        ("amount=", "parameter_invalid_empty", "amount", "You passed an empty string for 'amount'."),
        ("amount=0", "parameter_invalid_integer", "amount", "Invalid positive integer"),
        ("amount=99999999999999999999", "parameter_invalid_integer", "amount", "Invalid integer"),
        ("amount=5&currency=doge", None, "currency", "Invalid currency: doge."),
        ("amount=5&name=sixsix", "parameter_invalid_string", "name", "must be at most 5 characters"),
        ("amount=5&mode=c", None, "mode", "Invalid mode: must be one of a or b"),
        ("amount=5&live=yes", None, "live", "Invalid boolean: yes"),
        ("amount=5&items=x", None, "items", "Invalid array"),
        ("amount=5&items[0]=x", None, "items[0]", "Invalid object"),
        ("amount=5&items[1][tags]=x&items[1][price]=p", None, "items[0][tags]", "Invalid array"),
        ("amount=5&metadata[a][b]=x", None, "metadata[a]", "Metadata values must be strings."),
        ("amount=5&name[a]=x", None, "name", "Invalid string"),
        ("amount=5&name=%00", None, "name", "NUL"),
        ("amount=5&amount[a]=x", None, "amount[a]", "both as a value and as an object"),
        ("[]=x", None, None, "no name of a parameter"),
        ("a" + "[b]" * 30 + "=x", None, None, "nested too deeply"),
        ("amount=%ff", None, None, "UTF-8"),
    ],
)
def test_bad_parameters_are_named(query: str, code: str | None, param: str | None, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(query)
    assert (caught.value.wire_code, caught.value.param) == (code, param)
    assert message in caught.value.message


def test_a_search_is_parsed() -> None:
    assert lists.parse(
        "customer", 'email:\'a@b.c\' AND metadata[\'k e\']:"v\\"w" AND -name~"Lind" created>=10'
    ) == (
        [
            ("email", ":", "a@b.c"),
            ("metadata.k e", ":", 'v"w'),
            ("name", "-~", "%lind%"),
            ("created", ">=", 10),
        ],
        "AND",
    )
    assert lists.parse("customer", "name:null OR -phone:null") == (
        [("name", "-?", None), ("phone", "?", None)],
        "OR",
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "x",
        "email=1",
        "foo:'a'",
        "email:'a' AND name:'b' OR phone:'c'",
        "created>'x'",
        "name~'ab'",
        "email:'a",
    ],
)
def test_a_bad_search_is_told(query: str) -> None:
    with pytest.raises(ApiError) as caught:
        lists.parse("customer", query)
    assert caught.value.wire_code == "search_query_invalid"


def test_lists_and_searches_find_by_fields(db: Db) -> None:
    made = [
        customers.create(db, {"name": f"Customer {n}", "email": f"{n % 2}@x.y", "metadata": {"n": str(n)}})[
            "id"
        ]
        for n in range(6)
    ]
    newest = made[::-1]

    def ids(**params: Any) -> list[str]:
        return [c["id"] for c in lists.page(db, "customer", params, url="/")["data"]]

    assert ids() == newest
    assert ids(limit=2) == newest[:2]
    assert ids(limit=2, starting_after=newest[1]) == newest[2:4]
    assert ids(limit=2, ending_before=newest[4]) == newest[2:4]
    assert ids(email="1@x.y") == [made[5], made[3], made[1]]
    assert ids(created={">": objects.now() + 5}) == []
    assert ids(created={">=": objects.now() - 50, "<=": objects.now() + 50}) == newest
    with pytest.raises(ApiError, match="No such customer: 'cus_x'"):
        ids(starting_after="cus_x")

    def found(query: str, **more: Any) -> Any:
        return lists.search(db, "customer", {"query": query, **more}, url="/")

    assert [c["id"] for c in found("metadata['n']:'3'")["data"]] == [made[3]]
    assert [c["id"] for c in found("name~'customer' AND -email:'1@x.y'")["data"]] == [
        made[4],
        made[2],
        made[0],
    ]
    assert [c["id"] for c in found("metadata['n']:'3' OR metadata['n']:'5'")["data"]] == [made[5], made[3]]
    assert found("phone:null")["data"][0]["id"] == newest[0]
    first = found("email:'1@x.y'", limit=2)
    assert first["has_more"] is True
    rest = found("email:'1@x.y'", limit=2, page=first["next_page"])
    assert [c["id"] for c in rest["data"]] == [made[1]] and rest["has_more"] is False


def test_the_page_of_a_list_says_whether_there_is_more(db: Db) -> None:
    for n in range(3):
        customers.create(db, {"name": str(n)})
    page = lists.page(db, "customer", {"limit": 2}, url="/v1/customers")
    assert (page["has_more"], page["object"], page["url"], len(page["data"])) == (
        True,
        "list",
        "/v1/customers",
        2,
    )
    back = lists.page(db, "customer", {"limit": 5, "ending_before": page["data"][1]["id"]}, url="/")
    assert [c["id"] for c in back["data"]] == [page["data"][0]["id"]] and back["has_more"] is False


def test_metadata_is_merged(db: Db) -> None:
    made = customers.create(db, {"metadata": {"a": "1", "b": "2"}})["id"]
    assert customers.edit(db, made, {"metadata": {"a": "", "c": "3"}})["metadata"] == {"b": "2", "c": "3"}
    assert customers.edit(db, made, {"name": "x"})["metadata"] == {"b": "2", "c": "3"}
    assert customers.edit(db, made, {"metadata": None})["metadata"] == {}
    with pytest.raises(ApiError, match="50 keys"):
        customers.edit(db, made, {"metadata": {str(n): "x" for n in range(51)}})


@pytest.mark.parametrize("header", ["yesterday", "2010-01-01", "2024-13", "2024-06-20.ACACIA", ""])
def test_a_version_that_is_none(header: str) -> None:
    with pytest.raises(ApiError, match="Invalid Stripe API version"):
        versions.asked(header)


def test_versions_are_dated() -> None:
    assert versions.asked("2020-08-27") == "2020-08-27"
    assert versions.asked("2025-03-31.basil") == "2025-03-31.basil"
    assert versions.asked("2025-03-31.basil; checkout_beta=v1") == "2025-03-31.basil"


# -- over HTTP ---------------------------------------------------------------------------------------------


def test_keys_are_asked_for(api: Any) -> None:
    refused = api.get("/v1/customers", headers={"Authorization": ""})
    assert refused.status_code == 401
    api.headers.pop("authorization")
    refused = api.get("/v1/customers")
    assert refused.status_code == 401 and "did not provide an API key" in refused.json()["error"]["message"]
    basic = b64encode(b"sk_test_1:").decode()
    assert api.get("/v1/customers", headers={"Authorization": f"Basic {basic}"}).status_code == 200
    assert api.get("/v1/customers", headers={"Authorization": "Bearer pk_test_1"}).status_code == 403
    assert api.get("/v1/customers", headers={"Authorization": "Digest x"}).status_code == 401
    bad = api.get("/v1/customers", headers={"Authorization": "Bearer sk test 1234567"})
    assert bad.json()["error"]["message"] == "Invalid API Key provided: sk t*******4567"


def test_what_every_answer_says(api: Any) -> None:
    made = api.post("/v1/customers", data={"name": "A"}, headers={"Stripe-Version": "2024-06-20"})
    assert made.status_code == 200
    assert made.headers["request-id"].startswith("req_") and made.headers["stripe-version"] == "2024-06-20"
    assert made.json()["object"] == "customer" and made.json()["livemode"] is False
    missing = api.get("/v1/customers/cus_none")
    assert missing.status_code == 404 and missing.headers["request-id"].startswith("req_")
    assert missing.json() == {
        "error": {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "param": "id",
            "message": "No such customer: 'cus_none'",
        }
    }
    unknown = api.put("/v1/customers").json()["error"]
    assert unknown["message"] == "Unrecognized request URL (PUT: /v1/customers)."
    assert api.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert (
        "send application"
        in api.post("/v1/customers", content=b"<x/>", headers={"Content-Type": "text/xml"}).json()["error"][
            "message"
        ]
    )


def test_json_is_read_too(api: Any) -> None:
    body = {"name": "A", "metadata": {"n": "1"}, "preferred_locales": ["de", "en"], "phone": "", "balance": 5}
    made = api.post("/v1/customers", json=body).json()
    assert (
        made["metadata"] == {"n": "1"} and made["preferred_locales"] == ["de", "en"] and made["balance"] == 5
    )
    for bad in (
        [1],
        {"name": 1},
        {"name": None},
        {"balance": "x"},
        {"balance": True},
        {"balance": 1.5},
        {"shipping": "x"},
    ):
        assert api.post("/v1/customers", json=bad).status_code == 400, bad
    assert (
        api.post("/v1/customers", content=b"{", headers={"Content-Type": "application/json"}).status_code
        == 400
    )


def test_one_effect_for_a_key(api: Any) -> None:
    head = {"Idempotency-Key": "key-1"}
    first = api.post("/v1/customers", data={"name": "A"}, headers=head)
    again = api.post("/v1/customers", data={"name": "A"}, headers=head)
    assert again.json() == first.json() and again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
    other = api.post("/v1/customers", data={"name": "B"}, headers=head)
    assert other.status_code == 400 and other.json()["error"]["type"] == "idempotency_error"
    assert len(api.get("/v1/customers").json()["data"]) == 1
    assert len(api.get("/v1/events").json()["data"]) == 1
    refused = api.post("/v1/customers", data={"nam": "B"}, headers={"Idempotency-Key": "key-2"})
    assert refused.status_code == 400  # what was never carried out leaves its key free
    assert (
        api.post("/v1/customers", data={"name": "B"}, headers={"Idempotency-Key": "key-2"}).status_code == 200
    )


def test_ids_are_expanded(api: Any) -> None:
    made = api.post(
        "/v1/customers", data={"tax_id_data[0][type]": "eu_vat", "tax_id_data[0][value]": "DE123456789"}
    ).json()
    assert "tax_ids" not in made
    whole = api.get(f"/v1/customers/{made['id']}", params={"expand[]": "tax_ids"}).json()
    assert whole["tax_ids"]["data"][0]["value"] == "DE123456789"
    api.post(f"/v1/customers/{made['id']}/balance_transactions", data={"amount": -500, "currency": "usd"})
    moves = api.get(
        f"/v1/customers/{made['id']}/balance_transactions", params={"expand[]": "data.customer.tax_ids"}
    ).json()
    assert moves["data"][0]["customer"]["balance"] == -500
    assert moves["data"][0]["customer"]["tax_ids"]["data"][0]["country"] == "EU"
    refused = api.get(f"/v1/customers/{made['id']}", params={"expand[]": "email"})
    assert refused.json()["error"] == {
        "type": "invalid_request_error",
        "message": "This property cannot be expanded (email).",
        "param": "expand[0]",
    }
    deep = api.get("/v1/customers", params={"expand[]": "data.a.b.c.d.e"})
    assert "more than 4 levels" in deep.json()["error"]["message"]


def test_a_deleted_customer(api: Any) -> None:
    id = api.post("/v1/customers", data={"email": "a@b.c"}).json()["id"]
    gone = {"id": id, "object": "customer", "deleted": True}
    assert api.delete(f"/v1/customers/{id}").json() == gone
    assert api.get(f"/v1/customers/{id}").json() == gone
    assert api.post(f"/v1/customers/{id}", data={"name": "x"}).status_code == 404
    assert api.delete(f"/v1/customers/{id}").status_code == 404
    assert api.get("/v1/customers").json()["data"] == []


def test_older_versions_get_older_objects(api: Any) -> None:
    about = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    made = api.post("/v1/payment_intents", data=about).json()
    assert made["latest_charge"].startswith("ch_") and "charges" not in made
    assert made["capture_method"] == "automatic_async"

    def read(path: str, version: str) -> Any:
        return api.get(path, headers={"Stripe-Version": version}).json()

    path = f"/v1/payment_intents/{made['id']}"
    assert read(path, "2024-04-10") == made
    assert read(path, "2023-10-16") == made | {"capture_method": "automatic"}
    old = read(path, "2020-08-27")
    assert "latest_charge" not in old and old["charges"]["data"][0]["id"] == made["latest_charge"]
    assert old["charges"]["data"][0]["refunds"]["data"] == []  # what is inside is of that version too
    assert "refunds" not in read(f"/v1/charges/{made['latest_charge']}", "2022-11-15")
    id = api.post("/v1/customers", data={"name": "A"}).json()["id"]
    assert read(f"/v1/customers/{id}", "2019-12-03")["sources"]["data"] == []
    assert "sources" not in read(f"/v1/customers/{id}", "2020-08-27")
    assert read(f"/v1/customers/{id}", "2019")["error"]["message"] == "Invalid Stripe API version: 2019"
