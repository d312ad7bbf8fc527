"""The bank's own routes, its files, and `--verify`."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest

from backendhub.kit.errors import StoreError
from backendhub.kit.hub import Hub
from backendhub.systems.bank import demo, prepare

NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


@pytest.fixture
def http(client: Callable[..., Any], hub: Hub, frozen: Callable[[str], None]) -> Any:
    hub.unit(demo.load)
    return client("bank")


@pytest.fixture
def account(http: Any) -> Any:
    return http.get("/accounts").json()[0]


def test_the_sample_bank(http: Any, account: Any) -> None:
    assert [c["name"] for c in http.get("/customers").json()] == [
        "Amira Haddad",
        "Jonas Lindqvist",
        "Lindqvist & Co",
    ]
    assert account["nickname"] == "Every day"
    assert http.get(f"/accounts/{account['id']}").json() == account
    report = http.get("/_check").json()
    assert report["ok"] is True
    assert len(report["checks"]) == 13


def test_ofx_is_read_by_ofxtools(http: Any, account: Any) -> None:
    from ofxtools.Parser import OFXTree

    answer = http.get(f"/accounts/{account['id']}/statement.ofx?since=2025-11-01&until=2026-01-05")
    assert answer.headers["content-type"] == "application/x-ofx"
    assert answer.headers["content-disposition"].startswith("attachment")
    tree = OFXTree()
    tree.parse(io.BytesIO(answer.content))
    read = tree.convert().statements[0]
    assert (read.account.acctid, read.curdef) == (account["number"], "EUR")
    assert read.ledgerbal.balamt == Decimal(account["balance"])
    assert sum(t.trnamt for t in read.transactions) == Decimal(account["balance"])
    assert {t.trntype for t in read.transactions} == {"XFER", "PAYMENT"}
    assert len({t.fitid for t in read.transactions}) == len(read.transactions)


def test_camt_053_adds_up(http: Any, account: Any) -> None:
    answer = http.get(f"/accounts/{account['id']}/statement.xml?since=2025-12-01&until=2026-01-05")
    body = ElementTree.fromstring(answer.content).find(".//c:Stmt", NS)
    assert body is not None
    assert body.findtext("c:Acct/c:Id/c:IBAN", namespaces=NS) == account["iban"]

    def signed(node: ElementTree.Element) -> Decimal:
        sign = 1 if node.findtext("c:CdtDbtInd", namespaces=NS) == "CRDT" else -1
        return sign * Decimal(node.findtext("c:Amt", namespaces=NS) or "0")

    opening, closing = (signed(b) for b in body.findall("c:Bal", NS))
    entries = body.findall("c:Ntry", NS)
    assert entries
    assert opening + sum(signed(e) for e in entries) == closing == Decimal(account["balance"])
    assert all(len(e.findtext("c:AcctSvcrRef", namespaces=NS) or "") <= 35 for e in entries)


def test_camt_053_follows_its_schema(http: Any, account: Any) -> None:
    parser = pytest.importorskip("pyiso20022.camt.camt_053_001_08", reason="pyiso20022 is not installed")
    xsdata = pytest.importorskip("xsdata.formats.dataclass.parsers", reason="xsdata is not installed")
    answer = http.get(f"/accounts/{account['id']}/statement.xml?since=2025-12-01&until=2026-01-05")
    document = xsdata.XmlParser().from_bytes(answer.content, parser.Document)
    assert document.bk_to_cstmr_stmt.stmt[0].acct.id.iban == account["iban"]


def test_money_over_the_counter(http: Any, account: Any) -> None:
    path = f"/accounts/{account['id']}"
    cash = {"amount": "20.50", "currency": "EUR", "reference": "Cash"}
    key = {"Idempotency-Key": "till-7"}
    first = http.post(path + "/deposits", json=cash, headers=key)
    again = http.post(path + "/deposits", json=cash, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    assert http.post(path + "/deposits", json=cash | {"amount": "20.51"}, headers=key).status_code == 409
    now = Decimal(http.get(path).json()["balance"])
    assert now == Decimal(account["balance"]) + Decimal("20.50")
    assert (
        http.post(path + "/withdrawals", json=cash | {"amount": "1000000"}).json()["code"]
        == "insufficient_funds"
    )
    assert http.get(f"/transfers/{first.json()['id']}").json() == first.json()
    page = http.get(path + "/lines?limit=1")
    assert page.json()[0]["balance"] == str(now)
    assert 'rel="next"' in page.headers["link"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"amount": "1.005", "currency": "EUR"}, 422),
        ({"amount": 1, "currency": "EUR"}, 422),
        ({"amount": "0", "currency": "EUR"}, 422),
        ({"amount": "-1", "currency": "EUR"}, 422),
        ({"amount": "1", "currency": "GBP"}, 422),
        ({"amount": "1", "currency": "ZZZ"}, 422),
        ({"amount": "1", "currency": "EUR", "colour": "red"}, 422),
        ({"amount": "1" * 13, "currency": "EUR"}, 422),
    ],
)
def test_bad_amounts(http: Any, account: Any, body: Any, status: int) -> None:
    assert http.post(f"/accounts/{account['id']}/deposits", json=body).status_code == status


def test_transfers_and_closing(http: Any, account: Any) -> None:
    other = http.post("/accounts", json={"customerId": account["customerId"], "currency": "EUR"}).json()
    move = {"debtorId": account["id"], "creditorId": other["id"], "amount": "1.00", "currency": "EUR"}
    assert http.post("/transfers", json=move).status_code == 201
    assert http.post("/transfers", json=move | {"creditorId": account["id"]}).json()["code"] == "same_account"
    assert http.post("/transfers", json=move | {"creditorId": "x"}).status_code == 404
    assert http.post(f"/accounts/{other['id']}/close").status_code == 409
    http.post("/transfers", json=move | {"debtorId": other["id"], "creditorId": account["id"]})
    assert http.post(f"/accounts/{other['id']}/close").json()["closedAt"] is not None
    edited = http.patch(f"/accounts/{account['id']}", json={"nickname": "Daily", "overdraft": "600"}).json()
    assert (edited["nickname"], edited["overdraft"]) == ("Daily", "600.00")


def test_standing_orders_over_the_counter(http: Any, account: Any) -> None:
    body = {
        "creditor": {"identification": "NL91ABNA0417164300", "name": "Groene Stroom"},
        "amount": "30.00",
        "currency": "EUR",
        "frequency": "QURT",
        "firstOn": "2026-02-01",
    }
    made = http.post(f"/accounts/{account['id']}/standing-orders", json=body)
    assert (made.status_code, made.json()["nextOn"]) == (201, "2026-02-01")
    assert len(http.get(f"/accounts/{account['id']}/standing-orders").json()) == 2
    assert http.delete(f"/standing-orders/{made.json()['id']}").json()["state"] == "cancelled"
    assert http.delete(f"/standing-orders/{made.json()['id']}").status_code == 409
    assert (
        http.post(
            f"/accounts/{account['id']}/standing-orders", json=body | {"firstOn": "2020-01-01"}
        ).status_code
        == 422
    )


def test_scheduled_payments_over_the_counter(http: Any, account: Any) -> None:
    body = {
        "creditor": {"identification": "NL91ABNA0417164300", "name": "Groene Stroom"},
        "amount": "30.00",
        "currency": "EUR",
        "dueAt": "2026-02-01T08:00:00+01:00",
    }
    path = f"/accounts/{account['id']}/scheduled-payments"
    made = http.post(path, json=body)
    assert (made.status_code, made.json()["dueAt"], made.json()["state"]) == (
        201,
        "2026-02-01T07:00:00Z",
        "waiting",
    )
    assert http.get(path).json()[-1] == made.json()
    assert http.delete(f"/scheduled-payments/{made.json()['id']}").json()["state"] == "cancelled"
    assert http.delete(f"/scheduled-payments/{made.json()['id']}").status_code == 409
    for due in ("2020-01-01T00:00:00Z", "2026-02-01T08:00:00", "2029-01-01T00:00:00Z"):
        assert http.post(path, json=body | {"dueAt": due}).status_code == 422


def test_verify_refuses_a_ledger_that_does_not_add_up(http: Any, hub: Hub) -> None:
    hub.settings.flags["bank.verify"] = "true"
    prepare.prepare(hub)
    hub.unit(
        lambda db: db.run(
            "UPDATE ledger_account SET debits = debits + 5, credits = credits + 5 WHERE name = 'cash'"
        )
    )
    with pytest.raises(StoreError, match="balances are their transfers"):
        prepare.prepare(hub)
    assert http.get("/_check").json()["ok"] is False
