"""Books of accounts: `serve expense --auth token`, on each engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import accounts
from backendhub.kit.db import Db
from backendhub.kit.errors import NotFound
from backendhub.kit.hub import Hub
from backendhub.systems.expense import budgets, importing, recurring, rules, service, transfer
from backendhub.systems.expense.models import Filter
from backendhub.systems.expense.summary import summarise

OWNERS = ("", "ann", "bob")
CSV = "date,description,amount,currency\n2026-08-01,Coffee,3.50,USD\n2026-08-01,Coffee,3.50,USD\n"
OPEN = ("/livez", "/readyz", "/register", "/login", "/refresh")
TABLES = ("expense", "expense_budget", "expense_recur", "expense_recur_done", "expense_rule")


def fill(http: Any, who: Any, amount: str = "20") -> dict[str, int]:
    """One of each in somebody's books: their numbers."""
    bodies: dict[str, dict[str, object]] = {
        "expenses": {"description": "Zorp 1", "amount": amount, "date": "2026-08-02", "category": "toys"},
        "budgets": {"amount": "25"},
        "recurring": {"description": "Rent", "amount": "7", "date": "2026-07-31", "category": "housing"},
        "rules": {"pattern": "^quux", "category": "mine"},
    }
    made = {}
    for path, body in bodies.items():
        done = http.post(f"/{path}", json=body, headers=who)
        assert done.status_code == 201, done.text
        made[path] = done.json()["id"]
    return made


def seen(http: Any, who: Any) -> dict[str, Any]:
    """All that a caller can read."""
    paths = ("expenses", "categories", "summary", "budgets", "budgets/status", "recurring", "rules")
    found = {path: http.get(f"/{path}", headers=who).json() for path in paths}
    files = {path: http.get(f"/{path}", headers=who).text for path in ("export.csv", "export.json")}
    return found | files | {"export.journal": http.get("/export.journal", headers=who).text}


def test_who_registers_has_books_of_their_own(http: Any, registered: Any) -> None:
    ada, eve = registered("ada"), registered("eve")
    fill(http, ada)
    assert [e["description"] for e in http.get("/expenses", headers=ada).json()] == ["Zorp 1"]
    assert http.get("/expenses", headers=eve).json() == []
    login = http.post("/login", json={"email": "ada@example.com", "password": "correct horse battery"}).json()
    mine = {"authorization": f"Bearer {login['token']}"}
    assert http.get("/summary", headers=mine).json() == http.get("/summary", headers=ada).json()


def test_lists_totals_and_files_hold_the_callers_rows_only(owned: Hub, http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve", roles=("admin",))
    owned.unit(service.add, description="Of this machine", amount="1", category="terminal")
    nothing = seen(http, eve)
    assert nothing["expenses"] == [] and nothing["categories"] == {} and nothing["export.json"] == "[]\n"
    fill(http, ada)
    assert seen(http, eve) == nothing
    mine = seen(http, ada)
    assert [e["description"] for e in mine["expenses"]] == ["Zorp 1"]
    assert mine["categories"] == {"toys": 1}
    assert [t["amount"] for t in mine["summary"]["totals"]] == ["20.00"]
    assert [len(mine[path]) for path in ("budgets", "recurring", "rules")] == [1, 1, 1]
    for path in ("export.csv", "export.json", "export.journal"):
        assert "Zorp 1" in mine[path] and "Of this machine" not in mine[path], path
    for query in ("q=zorp", "category=toys", "currency=USD", "past=month", "sort=-amount", "from=2026-08-01"):
        assert http.get(f"/expenses?{query}", headers=eve).json() == [], query
    assert http.get("/summary?category=toys", headers=eve).json()["totals"] == []


def test_nobody_reads_or_changes_anothers_rows(owned: Hub, http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve", roles=("admin",))
    ids = fill(http, ada)
    theirs = owned.unit(service.add, description="Of this machine", amount="1")
    before = seen(http, ada)
    for method, path, body in (
        ("GET", f"/expenses/{ids['expenses']}", None),
        ("PATCH", f"/expenses/{ids['expenses']}", {"amount": "1"}),
        ("DELETE", f"/expenses/{ids['expenses']}", None),
        ("DELETE", f"/budgets/{ids['budgets']}", None),
        ("DELETE", f"/recurring/{ids['recurring']}", None),
        ("DELETE", f"/rules/{ids['rules']}", None),
        ("GET", f"/expenses/{theirs.id}", None),
        ("PATCH", f"/expenses/{theirs.id}", {"amount": "9"}),
        ("DELETE", f"/expenses/{theirs.id}", None),
    ):
        assert http.request(method, path, json=body, headers=eve).status_code == 404, path
        assert http.request(method, path, json=body).status_code == 401, path
    assert http.post("/recurring/run", headers=eve).json() == []
    assert seen(http, ada) == before and owned.read(service.get, theirs.id) == theirs
    assert http.patch(f"/expenses/{ids['expenses']}", json={"amount": "1"}, headers=ada).status_code == 200
    assert http.delete(f"/expenses/{ids['expenses']}", headers=ada).status_code == 204


def test_every_route_knows_its_caller(http: Any) -> None:
    routes = [
        (method, path.replace("{id}", "1"))
        for path, item in http.get("/openapi.json").json()["paths"].items()
        for method in item
        if method in ("get", "post", "patch", "put", "delete") and path not in OPEN
    ]
    assert len(routes) >= 23
    for method, path in routes:
        assert http.request(method, path).status_code == 401, (method, path)


def test_a_key_without_the_scope_may_not(http: Any, account: Any) -> None:
    routes = [
        (method, path.replace("{id}", "1"))
        for path, item in http.get("/openapi.json").json()["paths"].items()
        for method in item
        if method in ("get", "post", "patch", "delete") and path not in OPEN
    ]
    bodies = {
        "/expenses": {"description": "x", "amount": "1"},
        "/expenses/1": {"amount": "1"},
        "/budgets": {"amount": "1"},
        "/recurring": {"description": "x", "amount": "1"},
        "/rules": {"pattern": "x", "category": "y"},
        "/rates": {"base": "EUR", "quote": "USD", "rate": "1.1"},
    }
    other, reads = (account(n, scopes=(s,)) for n, s in (("o", "tasks:*"), ("r", "expenses:read")))
    for method, path in routes:
        body = None if method in ("get", "delete") else bodies.get(path)
        assert http.request(method, path, json=body, headers=other).status_code == 403, (method, path)
        code = http.request(method, path, json=body, headers=reads).status_code
        assert code in (200, 404) if method == "get" else code == 403, (method, path, code)
    writes = account("w", scopes=("expenses:*",))
    assert http.post("/expenses", json=bodies["/expenses"], headers=writes).status_code == 201


def test_rates_are_shared_and_administrators_record_them(http: Any, account: Any) -> None:
    ada, root = account("ada"), account("root", roles=("admin",))
    rate = {"base": "EUR", "quote": "USD", "rate": "1.10", "date": "2026-08-01"}
    assert http.post("/rates", json=rate, headers=ada).status_code == 403
    assert http.post("/rates", json=rate, headers=root).status_code == 201
    assert [r["base"] for r in http.get("/rates", headers=ada).json()] == ["EUR"]


def test_budgets_warn_of_their_own_books(owned: Hub, http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve")
    owned.unit(budgets.put, amount="1")
    first, second = fill(http, ada), fill(http, eve)
    assert first["budgets"] != second["budgets"]  # the same category, period and currency
    alerts = [
        http.post("/expenses", json={"description": "x", "amount": a}, headers=who).json()["alerts"]
        for who, a in ((ada, "4"), (eve, "4"), (ada, "2"), (eve, "0.50"))
    ]
    assert [len(a) for a in alerts] == [0, 0, 1, 0]
    assert [s["spent"] for s in http.get("/budgets/status", headers=eve).json()] == ["24.50"]
    assert owned.read(budgets.statuses)[0].spent.minor == 0


def test_import_is_idempotent_for_each_owner(owned: Hub, http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve")
    drafts = transfer.drafts_of(CSV.encode(), "csv", "bank.csv", {}, "USD")
    assert owned.unit(importing.add_drafts, drafts).added == 2

    def post(who: Any, query: str = "") -> Any:
        headers = who | {"content-type": "text/csv"}
        return http.post(f"/import{query}", content=CSV.encode(), headers=headers).json()

    for who in (ada, eve):
        assert post(who, "?dryRun=true") == {"added": 2, "skipped": 0}
        assert post(who) == {"added": 2, "skipped": 0}
        assert post(who) == {"added": 0, "skipped": 2}
        assert len(http.get("/expenses", headers=who).json()) == 2
    assert owned.read(service.count) == 2


def test_a_guess_learns_from_its_own_books(http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve")
    fill(http, ada)
    for line in ("Zorp 2", "Quux 3"):
        guesses = [
            http.post("/expenses", json={"description": line, "amount": "1"}, headers=who).json()["category"]
            for who in (ada, eve)
        ]
        assert guesses[0] in ("toys", "mine") and guesses[1] == "uncategorized"


def test_an_idempotency_key_is_its_callers(http: Any, account: Any) -> None:
    ada, eve = account("ada"), account("eve")
    body, key = {"description": "x", "amount": "1"}, {"idempotency-key": "one"}
    ids = [http.post("/expenses", json=body, headers=who | key).json()["id"] for who in (ada, eve, ada, eve)]
    assert ids[:2] == ids[2:] and ids[0] != ids[1]


def test_the_terminal_and_open_servers_have_their_own(
    owned: Hub, served: Callable[..., Any], account: Any
) -> None:
    http = served()
    ada = account("ada")
    ids = fill(http, ada)
    owned.unit(service.add, description="Of this machine", amount="1")
    assert [e.description for e in owned.read(service.find_all)] == ["Of this machine"]
    with pytest.raises(NotFound):
        owned.unit(service.remove, ids["expenses"])
    open_ = served("none")
    assert [e["description"] for e in open_.get("/expenses").json()] == ["Of this machine"]
    assert open_.get(f"/expenses/{ids['expenses']}").status_code == 404
    assert open_.get("/budgets").json() == open_.get("/rules").json() == open_.get("/recurring").json() == []
    assert open_.post("/rates", json={"base": "EUR", "quote": "USD", "rate": "1.1"}).status_code == 201


def test_an_account_goes_with_its_books(owned: Hub, http: Any, account: Any) -> None:
    owned.unit(service.add, description="Of this machine", amount="1")
    gone, eve = account("gone"), account("eve")
    for who in (gone, eve):
        fill(http, who)
        assert len(http.post("/recurring/run", headers=who).json()) >= 1
    kept = seen(http, eve)
    counts = {t: owned.read(lambda db, t=t: db.value(f"SELECT count(*) FROM {t}")) for t in TABLES}
    user = owned.read(accounts.by_email, "gone@example.com")
    assert user is not None
    owned.unit(accounts.remove, user.id)
    assert owned.read(lambda db: db.value("SELECT count(*) FROM expense WHERE owner = :id", id=user.id)) == 0
    for table in TABLES:
        extra = 1 if table == "expense" else 0  # the terminal's
        left = owned.read(lambda db, t=table: db.value(f"SELECT count(*) FROM {t}"))
        assert left == (counts[table] - extra) // 2 + extra, table
    assert seen(http, eve) == kept


ADDS: dict[str, Callable[[Db, str], object]] = {
    "expense": lambda db, who: service.add(db, description="x", amount="1", owner=who),
    "expense_budget": lambda db, who: budgets.put(db, amount="1", owner=who),
    "expense_recur": lambda db, who: recurring.add(
        db, description="r", amount="1", every="month", start="2026-08-01", owner=who
    ),
    "expense_rule": lambda db, who: rules.add(db, pattern="^x", category="y", owner=who),
}


@pytest.mark.parametrize("table", ADDS)
def test_a_write_that_the_removal_overtakes_is_refused(table: str, race_removal: Any) -> None:
    left = race_removal(ADDS[table], f"SELECT count(*) FROM {table} WHERE owner = :id")
    assert left == 0


# -- the services, on each engine ---------------------------------------------------------------------------


@pytest.mark.usefixtures("owners")
def test_three_owners_of_the_same_books(db: Db) -> None:
    for n, who in enumerate(OWNERS, 1):
        service.add(db, description="x", amount=str(n), category="c", date="2026-08-01", owner=who)
        budgets.put(db, amount=str(10 * n), category="c", owner=who)
        recurring.add(db, description="r", amount=str(n), every="month", start="2026-08-01", owner=who)
        rules.add(db, pattern="^same", category=f"of {n}", owner=who)
    for n, who in enumerate(OWNERS, 1):
        (budget,) = budgets.statuses(db, owner=who)
        assert (budget.limit.minor, budget.spent.minor) == (1000 * n, 100 * n)
        assert service.categories(db, owner=who) == [("c", 1)]
        assert [m.minor for m in summarise(db, Filter(owner=who)).spent] == [100 * n]
        assert service.add(db, description="same", amount="1", owner=who).category == f"of {n}"
        made = recurring.run(db, owner=who)
        assert [(e.minor, e.owner) for e in made] == [(100 * n, who)]
        assert recurring.run(db, owner=who) == []
        assert service.count(db, Filter(owner=who)) == 3
        assert len(rules.find_all(db, owner=who)) == 1


@pytest.mark.usefixtures("owners")
def test_a_budget_replaces_its_owners_only(db: Db) -> None:
    first = [budgets.put(db, amount="1", owner=who) for who in OWNERS]
    again = budgets.put(db, amount="2", owner="ann")
    assert again.id == first[1].id
    assert [budgets.find_all(db, owner=who)[0].minor for who in OWNERS] == [100, 200, 100]


@pytest.mark.usefixtures("owners")
def test_the_same_file_for_each_owner(db: Db) -> None:
    drafts = transfer.drafts_of(CSV.encode(), "csv", "bank.csv", {}, "USD")
    done = [importing.add_drafts(db, drafts, owner=who) for who in OWNERS * 2]
    assert [(d.added, d.skipped) for d in done] == [(2, 0)] * 3 + [(0, 2)] * 3
