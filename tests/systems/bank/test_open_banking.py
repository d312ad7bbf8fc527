"""Open Banking UK: what a third party sees, and every refusal in the standard's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from backendhub.kit import clock
from backendhub.systems.bank.service import scheduled

AISP, PISP = "/open-banking/v4.0/aisp", "/open-banking/v4.0/pisp"
ALL = [
    "ReadAccountsDetail", "ReadBalances", "ReadTransactionsDetail", "ReadTransactionsCredits", "ReadTransactionsDebits",
    "ReadBeneficiariesDetail", "ReadStandingOrdersDetail", "ReadStatementsDetail", "ReadParty", "ReadPartyPSU",
]  # fmt: skip
CREDITOR = {"SchemeName": "UK.OBIE.IBAN", "Identification": "DE89370400440532013000", "Name": "Brandt"}


class Bank:
    """A bank with two customers, and the ways of a third party."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.amira = self.open("Amira Haddad", "0")
        self.jonas = self.open("Jonas Lindqvist", "50")
        self.post(f"/accounts/{self.amira['id']}/deposits", {"amount": "100.00", "currency": "GBP"})

    def post(self, path: str, body: Any, *, status: int = 201, **headers: str) -> Any:
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def open(self, name: str, overdraft: str) -> Any:
        customer = self.post("/customers", {"name": name})
        return self.post("/accounts", {"customerId": customer["id"], "overdraft": overdraft})

    def access(
        self, permissions: list[str] | None = None, *more: Any, **data: Any
    ) -> tuple[str, dict[str, str]]:
        """An authorised consent for Amira's account: its id and the headers that act under it."""
        body = {"Data": {"Permissions": permissions or ALL, **data}, "Risk": {}}
        made = self.post(f"{AISP}/account-access-consents", body)["Data"]
        assert made["Status"] == "AWAU"
        return made["ConsentId"], self.authorise(made["ConsentId"])

    def authorise(self, consent: str) -> dict[str, str]:
        granted = self.post(f"/consents/{consent}/authorise", {"accounts": [self.amira["id"]]}, status=200)
        return {"Authorization": f"Bearer {granted['token']}"}

    def read(self, path: str, headers: dict[str, str], status: int = 200) -> Any:
        answer = self.http.get(AISP + path, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def initiation(self, amount: str = "10.00", **values: Any) -> dict[str, Any]:
        return {
            "InstructionIdentification": "I-1",
            "EndToEndIdentification": "E2E-1",
            "InstructedAmount": {"Amount": amount, "Currency": "GBP"},
            "CreditorAccount": CREDITOR,
            "RemittanceInformation": {"Unstructured": ["Invoice 7"]},
            **values,
        }

    def propose(
        self, initiation: dict[str, Any], *, status: int = 201, key: str | None = None, **data: Any
    ) -> Any:
        body = {"Data": {"Initiation": initiation, **data}, "Risk": {}}
        headers = {"x-idempotency-key": key or uuid4().hex}
        return self.post(f"{PISP}/domestic-payment-consents", body, status=status, **headers)

    def pay(
        self,
        consent: str,
        initiation: dict[str, Any],
        headers: dict[str, str],
        *,
        status: int = 201,
        key: str = "k",
        risk: Any = None,
    ) -> Any:
        body = {"Data": {"ConsentId": consent, "Initiation": initiation}, "Risk": risk or {}}
        return self.post(
            f"{PISP}/domestic-payments", body, status=status, **headers, **{"x-idempotency-key": key}
        )


@pytest.fixture
def bank(client: Callable[..., Any], frozen: Callable[[str], None]) -> Bank:
    return Bank(client("bank"))


def code(answer: Any) -> tuple[str, str | None]:
    assert set(answer) == {"Id", "Code", "Message", "Errors"}
    return answer["Errors"][0]["ErrorCode"], answer["Errors"][0].get("Path")


# -- reading -----------------------------------------------------------------------------------------------


def test_accounts_and_balances(bank: Bank) -> None:
    consent, headers = bank.access()
    shown = bank.http.get(f"{AISP}/account-access-consents/{consent}").json()
    assert (shown["Data"]["Status"], shown["Risk"]) == ("AUTH", {})
    account = bank.read("/accounts", headers)["Data"]["Account"][0]
    assert account["AccountId"] == bank.amira["id"]
    assert account["Account"][1]["Identification"] == bank.amira["iban"]
    assert bank.read(f"/accounts/{bank.amira['id']}", headers)["Data"]["Account"] == [account]
    balances = bank.read("/balances", headers)
    assert [
        (b["Type"], b["Amount"]["Amount"], b["CreditDebitIndicator"]) for b in balances["Data"]["Balance"]
    ] == [
        ("ITBD", "100.00", "Credit"),
        ("ITAV", "100.00", "Credit"),
    ]
    assert balances["Links"]["Self"].endswith("/aisp/balances")
    assert bank.read("/party", headers)["Data"]["Party"]["Name"] == "Amira Haddad"


def test_transactions_are_paged_and_bounded(bank: Bank) -> None:
    for n in range(1, 62):
        bank.post(f"/accounts/{bank.amira['id']}/deposits", {"amount": f"0.{n:02d}", "currency": "GBP"})
    _, headers = bank.access()
    path = f"/accounts/{bank.amira['id']}/transactions"
    first = bank.read(path, headers)
    assert (len(first["Data"]["Transaction"]), first["Meta"]) == (50, {})
    second = bank.http.get(first["Links"]["Next"], headers=headers).json()
    assert (len(second["Data"]["Transaction"]), "Next" in second["Links"]) == (12, False)
    row = first["Data"]["Transaction"][0]
    assert (row["Amount"], row["CreditDebitIndicator"]) == ({"Amount": "0.61", "Currency": "GBP"}, "Credit")
    assert row["Balance"]["Amount"]["Amount"] == "118.91"
    for query, count in (
        ("?fromBookingDateTime=2026-01-05T09:00:01", 0),
        ("?toBookingDateTime=2026-01-05T09:00:00Z", 0),
        ("?fromBookingDateTime=2026-01-05T00:00:00%2B00:00", 50),
    ):
        assert len(bank.read(path + query, headers)["Data"]["Transaction"]) == count, query
    assert code(bank.read(path + "?fromBookingDateTime=yesterday", headers, 400)) == (
        "U003",
        "fromBookingDateTime",
    )


def test_permissions_decide_what_is_seen(bank: Bank) -> None:
    basic = ["ReadAccountsBasic", "ReadTransactionsBasic", "ReadTransactionsDebits"]
    _, headers = bank.access(basic)
    assert "Account" not in bank.read("/accounts", headers)["Data"]["Account"][0]
    path = f"/accounts/{bank.amira['id']}/transactions"
    assert bank.read(path, headers)["Data"]["Transaction"] == []  # there is only a credit
    bank.post(f"/accounts/{bank.amira['id']}/withdrawals", {"amount": "1", "currency": "GBP"})
    row = bank.read(path, headers)["Data"]["Transaction"][0]
    assert row["CreditDebitIndicator"] == "Debit"
    assert "Balance" not in row
    assert code(bank.read("/balances", headers, 403)) == ("U009", None)
    assert code(bank.read(f"/accounts/{bank.jonas['id']}", headers, 400)) == ("U011", None)
    assert code(bank.read("/accounts/nothing/balances", headers, 403)) == ("U009", None)


@pytest.mark.parametrize(
    "permissions",
    [
        ["ReadBalances"],
        ["ReadAccountsBasic", "ReadTransactionsBasic"],
        ["ReadAccountsBasic", "ReadTransactionsDebits"],
        ["ReadEverything"],
    ],
)
def test_permissions_that_make_no_sense(bank: Bank, permissions: list[str]) -> None:
    body = {"Data": {"Permissions": permissions}, "Risk": {}}
    assert code(bank.post(f"{AISP}/account-access-consents", body, status=400)) == (
        "U002",
        "Data.Permissions",
    )


def test_a_consent_ends(bank: Bank) -> None:
    consent, headers = bank.access(ExpirationDateTime="2026-01-05T10:00:00+00:00")
    with clock.frozen("2026-01-05T09:59:59Z"):
        bank.read("/accounts", headers)
    with clock.frozen("2026-01-05T10:00:00Z"):
        assert code(bank.read("/accounts", headers, 403))[0] == "U028"
        shown = bank.http.get(f"{AISP}/account-access-consents/{consent}").json()
        assert shown["Data"]["Status"] == "EXPD"
    assert bank.http.delete(f"{AISP}/account-access-consents/{consent}").status_code == 204
    assert code(bank.read("/accounts", headers, 403))[0] == "U009"
    assert bank.http.get(f"{AISP}/account-access-consents/{consent}").json()["Data"]["Status"] == "CANC"


def test_credentials(bank: Bank) -> None:
    answer = bank.http.get(
        f"{AISP}/accounts", headers={"x-fapi-interaction-id": "93bac548-d2de-4546-b106-880a5018460d"}
    )
    assert (answer.status_code, answer.headers["x-fapi-interaction-id"]) == (
        401,
        "93bac548-d2de-4546-b106-880a5018460d",
    )
    assert code(bank.read("/accounts", {"Authorization": "Bearer obt_wrong"}, 401))[0] == "U000"
    assert bank.http.get(f"{AISP}/nothing").status_code == 404


# -- paying ------------------------------------------------------------------------------------------------


def test_a_payment_from_consent_to_statement(bank: Bank) -> None:
    initiation = bank.initiation()
    proposed = bank.propose(initiation, ReadRefundAccount="Yes")
    consent = proposed["Data"]["ConsentId"]
    assert (proposed["Data"]["Status"], proposed["Data"]["Initiation"]) == ("AWAU", initiation)
    headers = bank.authorise(consent)
    funds = bank.http.get(
        f"{PISP}/domestic-payment-consents/{consent}/funds-confirmation", headers=headers
    ).json()
    assert funds["Data"]["FundsAvailableResult"]["FundsAvailable"] is True
    paid = bank.pay(consent, initiation, headers)
    assert paid["Data"]["Status"] == "ACSC"
    assert paid["Data"]["Refund"]["Account"]["Identification"] == bank.amira["iban"]
    assert bank.pay(consent, initiation, headers) == paid  # the same key again: the same payment
    same = bank.http.get(
        f"{PISP}/domestic-payments/{paid['Data']['DomesticPaymentId']}", headers=headers
    ).json()
    assert same["Data"] == paid["Data"]
    details = bank.http.get(
        f"{PISP}/domestic-payments/{paid['Data']['DomesticPaymentId']}/payment-details", headers=headers
    )
    assert details.json()["Data"]["PaymentStatus"][0]["Status"] == "ACSC"
    shown = bank.http.get(f"{PISP}/domestic-payment-consents/{consent}").json()
    assert shown["Data"]["Status"] == "COND"
    lines = bank.http.get(f"/accounts/{bank.amira['id']}/lines").json()
    assert (lines[0]["amount"], lines[0]["balance"], lines[0]["reference"]) == (
        "-10.00",
        "90.00",
        "Invoice 7",
    )
    assert bank.http.get("/_check").json()["ok"] is True


def test_a_consent_pays_once_and_only_what_it_says(bank: Bank) -> None:
    initiation = bank.initiation()
    consent = bank.propose(initiation)["Data"]["ConsentId"]
    headers = bank.authorise(consent)
    assert code(bank.pay(consent, bank.initiation("10.01"), headers, status=400))[0] == "U008"
    assert (
        code(bank.pay(consent, initiation, headers, risk={"PaymentContextCode": "x"}, status=400))[0]
        == "U008"
    )
    bank.pay(consent, initiation, headers)
    assert code(bank.pay(consent, initiation, headers, key="another", status=400))[0] == "U009"
    assert code(bank.pay(consent, bank.initiation("11.00"), headers, status=400)) == (
        "U006",
        "x-idempotency-key",
    )
    other = bank.propose(initiation)["Data"]["ConsentId"]
    assert code(bank.pay(other, initiation, headers, status=400))[0] == "U008"
    assert code(bank.pay("nothing", initiation, headers, status=400))[0] == "U011"


def test_without_the_customer_nothing_is_paid(bank: Bank) -> None:
    consent = bank.propose(bank.initiation())["Data"]["ConsentId"]
    body = {"Data": {"ConsentId": consent, "Initiation": bank.initiation()}, "Risk": {}}
    assert (
        bank.http.post(f"{PISP}/domestic-payments", json=body, headers={"x-idempotency-key": "k"}).status_code
        == 401
    )
    assert bank.http.post(f"/consents/{consent}/reject").json()["state"] == "RJCT"
    assert (
        bank.http.post(f"/consents/{consent}/authorise", json={"accounts": [bank.amira["id"]]}).status_code
        == 409
    )


def test_no_money_no_payment_and_the_consent_stays(bank: Bank) -> None:
    initiation = bank.initiation("100.01")
    consent = bank.propose(initiation)["Data"]["ConsentId"]
    headers = bank.authorise(consent)
    funds = bank.http.get(
        f"{PISP}/domestic-payment-consents/{consent}/funds-confirmation", headers=headers
    ).json()
    assert funds["Data"]["FundsAvailableResult"]["FundsAvailable"] is False
    assert code(bank.pay(consent, initiation, headers, status=400))[0] == "AM04"
    bank.post(f"/accounts/{bank.amira['id']}/deposits", {"amount": "0.01", "currency": "GBP"})
    bank.pay(consent, initiation, headers)


def test_a_key_is_one_consent(bank: Bank) -> None:
    first = bank.propose(bank.initiation(), key="abc")
    assert bank.propose(bank.initiation(), key="abc")["Data"] == first["Data"]
    assert code(bank.propose(bank.initiation("11.00"), key="abc", status=400)) == (
        "U006",
        "x-idempotency-key",
    )


BAD: list[tuple[dict[str, Any], tuple[str, str | None]]] = [
    ({"InstructedAmount": {"Amount": "10.001", "Currency": "GBP"}}, ("U002", None)),
    (
        {"InstructedAmount": {"Amount": 10, "Currency": "GBP"}},
        ("U002", "Data.Initiation.InstructedAmount.Amount"),
    ),
    (
        {"InstructedAmount": {"Amount": "-1.00", "Currency": "GBP"}},
        ("U002", "Data.Initiation.InstructedAmount.Amount"),
    ),
    (
        {"InstructedAmount": {"Amount": "1e3", "Currency": "GBP"}},
        ("U002", "Data.Initiation.InstructedAmount.Amount"),
    ),
    ({"InstructedAmount": {"Amount": "1", "Currency": "XYZ"}}, ("U002", None)),
    ({"CreditorAccount": CREDITOR | {"Identification": "DE89370400440532013001"}}, ("U021", None)),
    ({"CreditorAccount": CREDITOR | {"SchemeName": "UK.OBIE.PAN"}}, ("U027", None)),
    (
        {"CreditorAccount": CREDITOR | {"SchemeName": "none"}},
        ("U002", "Data.Initiation.CreditorAccount.SchemeName"),
    ),
    ({"CreditorAccount": {}}, ("U004", "Data.Initiation.CreditorAccount.SchemeName")),
    ({"EndToEndIdentification": "x" * 36}, ("U002", "Data.Initiation.EndToEndIdentification")),
    ({"Colour": "red"}, ("U005", "Data.Initiation.Colour")),
]


@pytest.mark.parametrize(("change", "expected"), BAD, ids=range(len(BAD)))
def test_bad_input_in_the_standards_own_words(
    bank: Bank, change: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    assert code(bank.propose(bank.initiation(**change), status=400)) == expected


def test_the_key_is_required_and_bodies_are_json(bank: Bank) -> None:
    body = {"Data": {"Initiation": bank.initiation()}, "Risk": {}}
    answer = bank.http.post(f"{PISP}/domestic-payment-consents", json=body)
    assert (answer.status_code, code(answer.json())) == (400, ("U007", "x-idempotency-key"))
    answer = bank.http.post(
        f"{PISP}/domestic-payment-consents",
        content=b"{",
        headers={"x-idempotency-key": "k", "content-type": "application/json"},
    )
    assert (answer.status_code, code(answer.json())[0]) == (400, "U010")


def test_a_payment_to_oneself_is_refused(bank: Bank) -> None:
    to_self = bank.initiation(
        CreditorAccount={"SchemeName": "UK.OBIE.IBAN", "Identification": bank.amira["iban"], "Name": "me"}
    )
    consent = bank.propose(to_self)["Data"]["ConsentId"]
    assert code(bank.pay(consent, to_self, bank.authorise(consent), status=400))[0] == "U002"


def test_a_standing_order_from_consent_to_payment(bank: Bank) -> None:
    initiation = {
        "NumberOfPayments": "3",
        "FirstPaymentAmount": {"Amount": "5.00", "Currency": "GBP"},
        "RecurringPaymentAmount": {"Amount": "6.00", "Currency": "GBP"},
        "CreditorAccount": CREDITOR,
        "MandateRelatedInformation": {
            "FirstPaymentDateTime": "2026-01-06T00:00:00+00:00",
            "Frequency": {"Type": "WEEK"},
        },
    }
    body = {"Data": {"Permission": "Create", "Initiation": initiation}, "Risk": {}}
    made = bank.post(f"{PISP}/domestic-standing-order-consents", body, **{"x-idempotency-key": "s"})
    consent = made["Data"]["ConsentId"]
    headers = bank.authorise(consent)
    order = {"Data": {"ConsentId": consent, "Initiation": initiation}, "Risk": {}}
    done = bank.post(f"{PISP}/domestic-standing-orders", order, **headers, **{"x-idempotency-key": "o"})
    assert done["Data"]["Status"] == "INCO"
    _, reading = bank.access()
    row = bank.read("/standing-orders", reading)["Data"]["StandingOrder"][0]
    assert (row["StandingOrderStatusCode"], row["NextPaymentDateTime"]) == (
        "ACTV",
        "2026-01-06T00:00:00+00:00",
    )
    assert row["CreditorAccount"]["Identification"] == CREDITOR["Identification"]
    past = {
        **initiation,
        "MandateRelatedInformation": {"FirstPaymentDateTime": "2020-01-06", "Frequency": {"Type": "WEEK"}},
    }
    body["Data"]["Initiation"] = past  # type: ignore[index]
    answer = bank.post(
        f"{PISP}/domestic-standing-order-consents", body, status=400, **{"x-idempotency-key": "t"}
    )
    assert code(answer) == ("U003", "Data.Initiation.MandateRelatedInformation.FirstPaymentDateTime")


def test_a_scheduled_payment_from_consent_to_its_time(bank: Bank, hub: Any) -> None:
    initiation = bank.initiation(RequestedExecutionDateTime="2026-01-06T10:00:00+01:00")
    del initiation["EndToEndIdentification"]
    body = {"Data": {"Permission": "Create", "Initiation": initiation}, "Risk": {}}
    path = f"{PISP}/domestic-scheduled-payment-consents"
    made = bank.post(path, body, **{"x-idempotency-key": "s"})["Data"]
    assert (made["Status"], made["Permission"], made["Initiation"]) == ("AWAU", "Create", initiation)
    consent = made["ConsentId"]
    assert bank.http.get(f"{path}/{consent}").json()["Data"] == made
    headers = bank.authorise(consent)
    order = {"Data": {"ConsentId": consent, "Initiation": initiation}, "Risk": {}}
    paying = f"{PISP}/domestic-scheduled-payments"
    done = bank.post(paying, order, **headers, **{"x-idempotency-key": "o"})["Data"]
    assert (done["Status"], done["ExpectedExecutionDateTime"]) == ("PDNG", "2026-01-06T09:00:00+00:00")
    assert bank.post(paying, order, **headers, **{"x-idempotency-key": "o"})["Data"] == done
    assert code(bank.post(paying, order, status=400, **headers, **{"x-idempotency-key": "p"}))[0] == "U009"
    _, reading = bank.access(["ReadAccountsBasic", "ReadScheduledPaymentsDetail"])
    row = bank.read("/scheduled-payments", reading)["Data"]["ScheduledPayment"][0]
    assert (row["ScheduledPaymentDateTime"], row["ScheduledType"], row["InstructedAmount"]["Amount"]) == (
        "2026-01-06T09:00:00+00:00",
        "Execution",
        "10.00",
    )
    assert row["CreditorAccount"]["Identification"] == CREDITOR["Identification"]
    with clock.frozen("2026-01-06T09:00:00Z"):
        assert hub.unit(scheduled.run_due) == 1
    here = f"{paying}/{done['DomesticScheduledPaymentId']}"
    after = bank.http.get(here, headers=headers).json()["Data"]
    assert (after["Status"], after["StatusUpdateDateTime"]) == ("ACSC", "2026-01-06T09:00:00+00:00")
    details = bank.http.get(f"{here}/payment-details", headers=headers).json()["Data"]["PaymentStatus"]
    assert (details[0]["PaymentTransactionId"], details[0]["Status"]) == (row["ScheduledPaymentId"], "ACSC")
    assert (
        bank.read(f"/accounts/{bank.amira['id']}/scheduled-payments", reading)["Data"]["ScheduledPayment"]
        == []
    )
    assert bank.http.get("/_check").json()["ok"] is True


def test_a_time_that_has_passed_is_not_scheduled(bank: Bank) -> None:
    initiation = bank.initiation(RequestedExecutionDateTime="2026-01-05T09:00:00Z")
    body = {"Data": {"Permission": "Create", "Initiation": initiation}, "Risk": {}}
    path = f"{PISP}/domestic-scheduled-payment-consents"
    wrong = ("U003", "Data.Initiation.RequestedExecutionDateTime")
    assert code(bank.post(path, body, status=400, **{"x-idempotency-key": "s"})) == wrong
    initiation["RequestedExecutionDateTime"] = "2026-01-05T09:00:01Z"
    consent = bank.post(path, body, **{"x-idempotency-key": "s"})["Data"]["ConsentId"]
    headers = bank.authorise(consent)
    order = {"Data": {"ConsentId": consent, "Initiation": initiation}, "Risk": {}}
    with clock.frozen("2026-01-05T09:00:01Z"):  # it took the customer too long
        answer = bank.post(
            f"{PISP}/domestic-scheduled-payments", order, status=400, **headers, **{"x-idempotency-key": "o"}
        )
    assert code(answer) == wrong


def test_beneficiaries_and_statements(bank: Bank) -> None:
    note = {"identification": "DE89370400440532013000", "name": "Brandt", "reference": "Flat 12"}
    bank.post(f"/accounts/{bank.amira['id']}/beneficiaries", note)
    _, headers = bank.access()
    assert bank.read("/beneficiaries", headers)["Data"]["Beneficiary"][0]["Reference"] == "Flat 12"
    path = f"/accounts/{bank.amira['id']}/statements"
    assert [s["StatementId"] for s in bank.read(path, headers)["Data"]["Statement"]] == ["2026-01"]
    shown = bank.read(path + "/2026-01", headers)["Data"]["Statement"][0]
    assert [a["Amount"]["Amount"] for a in shown["StatementAmount"]] == ["0.00", "100.00"]
    file = bank.http.get(f"{AISP}{path}/2026-01/file", headers=headers)
    assert file.headers["content-type"].startswith("application/xml")
    assert b"camt.053.001.08" in file.content
    assert code(bank.read(path + "/1999-01", headers, 400))[0] == "U011"
