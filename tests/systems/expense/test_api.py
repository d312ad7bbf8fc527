from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.systems.expense import service


@pytest.fixture
def http(client: Callable[..., Any]) -> Any:
    return client("expense")


def add(http: Any, description: str = "x", amount: str = "1", **more: Any) -> Any:
    response = http.post("/expenses", json={"description": description, "amount": amount, **more})
    assert response.status_code == 201, response.text
    return response.json()


def test_add_read_change_delete(http: Any) -> None:
    response = http.post("/expenses", json={"description": "Lunch", "amount": "20"})
    assert response.headers["location"] == "/expenses/1" and response.headers["etag"] == '"1"'
    body = response.json()
    assert (body["amount"], body["minor"], body["currency"], body["kind"]) == (
        "20.00",
        2000,
        "USD",
        "expense",
    )
    assert (body["category"], body["categorySource"], body["alerts"]) == ("food", "keyword", [])
    assert body["reason"] == "the word “lunch”"
    again = http.get("/expenses/1").json()
    assert again == {k: v for k, v in body.items() if k not in ("reason", "alerts")}
    patched = http.patch(
        "/expenses/1", json={"amount": "7.50", "category": "Treats"}, headers={"If-Match": '"1"'}
    )
    assert (patched.json()["minor"], patched.json()["category"]) == (750, "treats")
    assert http.patch("/expenses/1", json={"amount": "8"}, headers={"If-Match": '"1"'}).status_code == 412
    assert http.patch("/expenses/1", json={"category": None}).json()["category"] == "food"
    assert http.delete("/expenses/1").status_code == 204
    assert http.get("/expenses/1").status_code == 404


def test_the_terminal_sees_the_same_books(hub: hubs.Hub, http: Any) -> None:
    add(http, "over HTTP")
    assert [e.description for e in hub.read(service.find_all)] == ["over HTTP"]


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 20},
        {"amount": 20.5},
        {"amount": "NaN"},
        {"amount": "1e3"},
        {"amount": "-5"},
        {"amount": "0"},
        {"amount": "10.999"},
        {"amount": "10.5", "currency": "JPY"},
        {"amount": "1", "currency": "XYZ"},
        {"amount": "1", "date": "2026-02-30"},
        {"amount": "1", "kind": "gift"},
        {"amount": "1", "colour": "red"},
        {"amount": "1", "category": "(odd)"},
        {},
    ],
)
def test_bad_bodies_are_422(http: Any, body: dict[str, Any]) -> None:
    response = http.post("/expenses", json={"description": "x", **body})
    assert response.status_code == 422, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert http.get("/expenses").json() == []


def test_filters_and_pages(http: Any) -> None:
    for day in ("2026-08-20", "2026-08-14", "2026-08-13", "2026-07-21", "2026-05-21", "2026-05-20"):
        add(http, day, date=day)

    def names(query: str) -> list[str]:
        response = http.get("/expenses?" + query)
        assert response.status_code == 200, response.text
        return [row["date"] for row in response.json()]

    assert names("past=week") == ["2026-08-20", "2026-08-14"]
    assert len(names("past=month")) == 4 and len(names("past=3months")) == 5
    assert names("from=2026-07-01&to=2026-08-13&sort=date") == ["2026-07-21", "2026-08-13"]
    assert http.get("/expenses?from=2026-08-01&to=2026-07-01").status_code == 422
    assert http.get("/expenses?past=week&from=2026-08-01").status_code == 422
    assert http.get("/expenses?past=decade").status_code == 422
    seen, url = [], "/expenses?limit=4&sort=-date"
    while url:
        response = http.get(url)
        seen += [row["date"] for row in response.json()]
        link = response.headers.get("link", "")
        url = link[1 : link.index(">")] if link else ""
    assert len(seen) == 6 and seen == sorted(seen, reverse=True)


def test_a_budget_alerts_once_when_it_is_crossed(http: Any) -> None:
    assert http.post("/budgets", json={"amount": "100", "every": "1m"}).status_code == 201
    assert add(http, "a", "100")["alerts"] == []
    assert add(http, "b", "1")["alerts"] == ["August budget exceeded: $101 of $100 (101%)"]
    assert add(http, "c", "1")["alerts"] == []
    (status,) = http.get("/budgets/status").json()
    assert (status["spentMinor"], status["exceeded"], status["period"]) == (10200, True, "2026-08")
    (budget,) = http.get("/budgets").json()
    assert http.delete(f"/budgets/{budget['id']}").status_code == 204
    assert http.delete(f"/budgets/{budget['id']}").status_code == 404


def test_summary(http: Any) -> None:
    add(http, "a", "10", date="2026-01-05", category="food")
    add(http, "b", "5", date="2026-01-06", currency="EUR", category="food")
    add(http, "job", "100", date="2026-02-01", kind="income", category="salary")
    document = http.get("/summary?month=2026-01").json()
    assert document["totals"] == [
        {"amount": "5.00", "minor": 500, "currency": "EUR"},
        {"amount": "10.00", "minor": 1000, "currency": "USD"},
    ]
    assert [g["month"] for g in document["byMonth"]] == ["2026-01", "2026-01"]
    assert http.get("/summary?in=USD").status_code == 404
    rate = http.post("/rates", json={"base": "EUR", "quote": "USD", "rate": "1.08", "date": "2026-01-01"})
    assert rate.status_code == 201 and rate.json()["num"] == 27
    valued = http.get("/summary?in=USD&year=2026").json()
    assert valued["totals"] == [{"amount": "15.40", "minor": 1540, "currency": "USD"}]
    assert valued["net"][0]["minor"] == 8460 and valued["rates"][0]["rate"] == "1.08"
    assert http.get("/categories").json() == {"food": 2, "salary": 1}
    assert len(http.get("/rates?base=EUR").json()) == 1


def test_recurring_and_rules(http: Any) -> None:
    body = {
        "description": "Rent",
        "amount": "700",
        "date": "2026-06-30",
        "every": "1m",
        "category": "housing",
    }
    series = http.post("/recurring", json=body).json()
    assert (series["next"], series["minor"]) == ("2026-06-30", 70000)
    assert [e["date"] for e in http.post("/recurring/run").json()] == ["2026-06-30", "2026-07-30"]
    assert http.post("/recurring/run").json() == []
    assert http.get("/recurring").json()[0]["next"] == "2026-08-30"
    assert http.delete(f"/recurring/{series['id']}").status_code == 204
    rule = http.post("/rules", json={"pattern": "^acme", "category": "fees"})
    assert rule.status_code == 201
    assert add(http, "ACME Corp")["category"] == "fees"
    assert http.post("/rules", json={"pattern": "(", "category": "fees"}).status_code == 422
    assert len(http.get("/rules").json()) == 1
    assert http.delete(f"/rules/{rule.json()['id']}").status_code == 204


def test_import_and_export(http: Any) -> None:
    text = "date,description,amount\n2026-01-01,Coffee,3\n2026-01-01,Coffee,3\n"

    def post(query: str = "", kind: str = "text/csv", data: str = text) -> Any:
        return http.post("/import" + query, content=data, headers={"Content-Type": kind})

    assert post("?dryRun=true").json() == {"added": 2, "skipped": 0}
    assert http.get("/expenses").json() == []
    assert post().json() == {"added": 2, "skipped": 0}
    assert post().json() == {"added": 0, "skipped": 2}
    bad = post(data=text + "2026-01-01,x,oops\n")
    assert bad.status_code == 422 and "line 4" in bad.text
    assert post(kind="text/plain").status_code == 415
    for format, kind in (("csv", "text/csv"), ("json", "application/json")):
        exported = http.get(f"/export.{format}")
        assert exported.headers["content-type"].startswith(kind)
        assert post(kind=kind, data=exported.text).json() == {"added": 0, "skipped": 2}
    journal = http.get("/export.journal")
    assert (
        journal.headers["content-type"].startswith("text/plain") and "expenses:food  USD 3.00" in journal.text
    )


def test_the_document_lists_every_route(http: Any, root: Any) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    page = (root / "docs" / "systems" / "expense.md").read_text(encoding="utf-8")
    missing = [f"{m.upper()} {p}" for p, ms in paths.items() for m in ms if f"`{m.upper()} {p}" not in page]
    assert missing == []


def test_the_sample_loads_once_and_every_list_answers(hub: hubs.Hub, http: Any) -> None:
    from backendhub.systems.expense import demo

    assert hub.unit(demo.load) > 20
    assert hub.unit(demo.load) == 0
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        if "get" in methods and "{" not in path:
            assert http.get(path).status_code == 200, path
    assert http.get("/summary?in=USD").json()["totals"][0]["currency"] == "USD"
    categories = http.get("/categories").json()
    assert categories["health:sports"] >= 2 and categories["uncategorized"] == 1  # it abstains, and says so
