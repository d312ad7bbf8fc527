from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest


@pytest.fixture
def client(client):
    """Requests against the system at the root."""
    served = client("convert")
    return lambda method, path, **options: served.request(method, path, follow_redirects=False, **options)


def ask(client, **params):
    return client("GET", "/convert?" + urlencode({k.rstrip("_"): v for k, v in params.items()}))


def test_get_convert(client):
    response = ask(client, value="5", from_="km", to="mi")
    assert response.status_code == 200
    assert response.json() == {
        "value": "5",
        "from": "km",
        "to": "mi",
        "result": "3.106855961",
        "fraction": "78125/25146",
        "exact": False,
        "category": "length",
    }
    assert ask(client, value="5 ft 11 in", to="cm").json()["result"] == "180.34"
    assert ask(client, value="100", from_="kg", to="lb;oz").json()["parts"][0] == {
        "value": "220",
        "unit": "lb",
    }
    assert ask(client, value="1", from_="gal", to="L", uk="true").json()["result"] == "4.54609"
    assert ask(client, value="1", from_="ft", to="yd", exact="true").json()["result"] == "1/3"


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"value": "5", "from_": "kg", "to": "m"}, 422),
        ({"value": "5", "from_": "km"}, 422),
        ({"value": "x", "from_": "km", "to": "m"}, 422),
        ({"value": "5", "from_": "km", "to": "m,ft"}, 422),
        ({"value": "5", "from_": "km", "to": "m", "precision": "0"}, 422),
        ({"value": "5", "from_": "EUR", "to": "USD"}, 404),
        ({"value": "-1", "from_": "K", "to": "C"}, 422),
    ],
)
def test_problems(client, params, status):
    response = ask(client, **params)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/problem+json")


def test_batches_are_all_or_none(client):
    items = [{"value": "1", "from": "gal", "to": "L"}, {"value": "20", "from": "C", "to": "F"}]
    response = client("POST", "/convert", json={"items": items, "uk": True})
    assert [row["result"] for row in response.json()] == ["4.54609", "68"]
    items.append({"value": "1", "from": "kg", "to": "m"})
    assert client("POST", "/convert", json={"items": items}).status_code == 422


def test_units_and_categories(client):
    assert "length" in {row["category"] for row in client("GET", "/categories").json()}
    rows = client("GET", "/units?category=temperature").json()
    assert {row["symbol"] for row in rows} >= {"C", "F", "K"}
    assert len(client("GET", "/units").json()) > 250
    assert client("GET", "/units?category=nonsense").status_code == 422


def test_custom_units_and_rates(client):
    made = client("POST", "/custom-units", json={"name": "smoot", "definition": "67 in"})
    assert made.status_code == 201 and made.json()["category"] == "length"
    assert client("POST", "/custom-units", json={"name": "smoot", "definition": "1 m"}).status_code == 409
    assert ask(client, value="3", from_="smoot", to="ft").json()["result"] == "16.75"
    assert [u["name"] for u in client("GET", "/custom-units").json()] == ["smoot"]
    assert client("DELETE", "/custom-units/smoot").status_code == 204
    assert client("DELETE", "/custom-units/smoot").status_code == 404
    rate = client(
        "POST", "/rates", json={"base": "EUR", "quote": "USD", "rate": "1.08", "date": "2026-01-02"}
    )
    assert rate.status_code == 201 and rate.json()["rate"] == "1.08"
    assert ask(client, value="5", from_="EUR", to="USD").json()["rateDate"] == "2026-01-02"
    assert [r["base"] for r in client("GET", "/rates").json()] == ["EUR"]


def test_openapi_names_every_json_route(client):
    paths = client("GET", "/openapi.json").json()["paths"]
    assert set(paths) == {
        "/convert",
        "/categories",
        "/units",
        "/custom-units",
        "/custom-units/{name}",
        "/rates",
    }


class Outline(HTMLParser):
    """Labels, fields and where a form goes."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def outline(html):
    found = Outline()
    found.feed(html)
    return found


@pytest.mark.parametrize("page", ["length", "weight", "temperature"])
def test_pages_are_accessible_and_self_contained(client, page):
    response = client("GET", f"/{page}")
    assert response.status_code == 200 and response.headers["content-type"] == "text/html; charset=utf-8"
    tags = outline(response.text)
    assert tags.all("html")[0]["lang"] == "en" and len(tags.all("h1")) == 1
    fields = {f["id"] for f in tags.all("input") + tags.all("select")}
    assert fields == {"value", "from", "to"} == {label["for"] for label in tags.all("label")}
    assert tags.all("form") == [{"method": "post", "action": f"/{page}"}]
    assert not any({"src", "onclick"} & set(attrs) for _, attrs in tags.tags)
    assert not tags.all("script") and not tags.all("link")
    assert [a["href"] for a in tags.all("a") if "aria-current" in a] == [f"/{page}"]
    assert "color-scheme:light dark" in response.text


@pytest.mark.parametrize(
    ("page", "form", "shown"),
    [
        ("length", {"value": "20", "from": "ft", "to": "cm"}, "20 ft = 609.6 cm"),
        ("weight", {"value": "1", "from": "lb", "to": "g"}, "1 lb = 453.59237 g"),
        ("temperature", {"value": "-40", "from": "C", "to": "F"}, "-40 C = -40 F"),
    ],
)
def test_pages_post_to_themselves(client, page, form, shown):
    response = client("POST", f"/{page}", data=form)
    assert response.status_code == 200 and shown in response.text
    chosen = [o["value"] for o in outline(response.text).all("option") if "selected" in o]
    assert chosen == [form["from"], form["to"]]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"value": "", "from": "ft", "to": "cm"}, "Enter a length."),
        ({"value": "1,5", "from": "ft", "to": "cm"}, "write 1.5"),
        ({"value": "5foo 3", "from": "ft", "to": "cm"}, "is not a number"),
        ({"value": "5", "from": "kg", "to": "cm"}, "Choose both units"),
        ({"value": "<script>alert(1)</script>", "from": "ft", "to": "cm"}, "&lt;script&gt;"),
    ],
)
def test_a_page_says_what_is_wrong_and_keeps_what_was_typed(client, form, message):
    response = client("POST", "/length", data=form)
    assert response.status_code == 422 and message in response.text and "<script>" not in response.text
    field = outline(response.text).all("input")[0]
    assert field["value"] == form["value"] and field["aria-describedby"] == "error"


def test_pages_refuse_other_bodies(client):
    assert client("POST", "/length", json={"value": "5"}).status_code == 415
    broken = client(
        "POST", "/length", content=b"\xff=1", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert broken.status_code == 400


def test_the_first_page(client):
    response = client("GET", "/")
    assert (response.status_code, response.headers["location"]) == (303, "/length")
