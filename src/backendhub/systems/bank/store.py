"""Every SQL statement of the bank."""

from __future__ import annotations

from backendhub.kit.checks import Check
from backendhub.kit.db import columns

from .models import Account, Beneficiary, Consent, Customer, Order, ScheduledPayment, StandingOrder, Transfer

ACCOUNT = columns(Account)
CONSENT = columns(Consent)
ORDER = columns(Order)

CUSTOMER = f"SELECT {columns(Customer)} FROM bank_customer WHERE id = :id"
CUSTOMERS = f"SELECT {columns(Customer)} FROM bank_customer WHERE id > :after ORDER BY id LIMIT :limit"

ONE_ACCOUNT = f"SELECT {ACCOUNT} FROM bank_account WHERE id = :id"
ACCOUNTS = f"SELECT {ACCOUNT} FROM bank_account WHERE no > :after ORDER BY no LIMIT :limit"
ACCOUNTS_OF = f"SELECT {ACCOUNT} FROM bank_account WHERE customer_id = :customer_id AND no > :after ORDER BY no LIMIT :limit"
BY_IBAN = f"SELECT {ACCOUNT} FROM bank_account WHERE iban = :iban"
BY_NUMBER = f"SELECT {ACCOUNT} FROM bank_account WHERE sort_code = :sort_code AND number = :number"
NUMBER = f"UPDATE bank_account SET sort_code = :sort_code, number = :number, iban = :iban WHERE no = :no RETURNING {ACCOUNT}"
SET_ACCOUNT = (
    f"UPDATE bank_account SET nickname = :nickname, overdraft = :overdraft WHERE id = :id RETURNING {ACCOUNT}"
)
CLOSE_ACCOUNT = f"UPDATE bank_account SET closed_at = :at WHERE id = :id RETURNING {ACCOUNT}"

ONE_TRANSFER = f"SELECT {columns(Transfer)} FROM bank_transfer WHERE id = :id"
INSERT_TRANSFER = (
    "INSERT INTO bank_transfer (id, kind, debtor_id, creditor_id, creditor_scheme, creditor_identification, creditor_name, "
    "amount, currency, reference, created_at) VALUES (:id, :kind, :debtor_id, :creditor_id, :creditor_scheme, "
    ":creditor_identification, :creditor_name, :amount, :currency, :reference, :created_at) ON CONFLICT (id) DO NOTHING"
)
# What is said about the lines of an account, whose ids the ledger has named.
_ABOUT = """
SELECT t.id, t.kind, t.reference,
  CASE WHEN t.debtor_id = :account_id THEN coalesce(cc.name, t.creditor_name) ELSE dc.name END,
  CASE WHEN t.debtor_id = :account_id THEN coalesce(t.creditor_scheme, CASE WHEN ca.iban IS NULL THEN NULL ELSE 'UK.OBIE.IBAN' END)
    WHEN da.iban IS NULL THEN NULL ELSE 'UK.OBIE.IBAN' END,
  CASE WHEN t.debtor_id = :account_id THEN coalesce(t.creditor_identification, ca.iban) ELSE da.iban END
FROM bank_transfer t
LEFT JOIN bank_account da ON da.id = t.debtor_id LEFT JOIN bank_customer dc ON dc.id = da.customer_id
LEFT JOIN bank_account ca ON ca.id = t.creditor_id LEFT JOIN bank_customer cc ON cc.id = ca.customer_id
WHERE t.id IN (SELECT value FROM {ids})"""
ABOUT = {
    "sqlite": _ABOUT.replace("{ids}", "json_each(:ids)"),
    "postgres": _ABOUT.replace("{ids}", "json_array_elements_text(CAST(:ids AS json))"),
}

BENEFICIARIES = (
    f"SELECT {columns(Beneficiary)} FROM bank_beneficiary WHERE account_id = :account_id ORDER BY id"
)
BENEFICIARY = f"""
INSERT INTO bank_beneficiary (id, account_id, name, scheme, identification, reference, created_at)
VALUES (:id, :account_id, :name, :scheme, :identification, :reference, :created_at)
ON CONFLICT (account_id, scheme, identification) DO UPDATE SET name = excluded.name, reference = excluded.reference
RETURNING {columns(Beneficiary)}"""
FORGET = "DELETE FROM bank_beneficiary WHERE id = :id AND account_id = :account_id"

ORDERS_OF = (
    f"SELECT {columns(StandingOrder)} FROM bank_standing_order WHERE account_id = :account_id ORDER BY id"
)
STANDING_ORDER = f"SELECT {columns(StandingOrder)} FROM bank_standing_order WHERE id = :id"
DUE = (
    f"SELECT {columns(StandingOrder)} FROM bank_standing_order WHERE state = 'active' AND next_on <= :today "
    "ORDER BY next_on, id LIMIT :limit"
)
# One occurrence is over: only for whoever comes with the number of those before.
ADVANCE = (
    "UPDATE bank_standing_order SET made = made + 1, next_on = :next_on, state = :state, paid_at = :at, paid_amount = :amount "
    "WHERE id = :id AND state = 'active' AND made = :made"
)
REFUSED = (
    "UPDATE bank_standing_order SET refused = refused + 1, paid_at = :paid_at, paid_amount = :paid_amount "
    "WHERE id = :id"
)
CANCEL = (
    "UPDATE bank_standing_order SET state = 'cancelled', next_on = NULL WHERE id = :id AND state = 'active'"
)

# A closed account pays nothing more: what waits to be paid from it is called off.
END_ORDERS = "UPDATE bank_standing_order SET state = 'cancelled', next_on = NULL WHERE account_id = :id AND state = 'active'"
END_SCHEDULED = "UPDATE bank_scheduled_payment SET state = 'cancelled', settled_at = :at WHERE account_id = :id AND state = 'waiting'"

_SCHEDULED = f"SELECT {columns(ScheduledPayment)} FROM bank_scheduled_payment"
SCHEDULED = f"{_SCHEDULED} WHERE id = :id"
SCHEDULED_OF = f"{_SCHEDULED} WHERE account_id = :account_id ORDER BY id"
WAITING_OF = f"{_SCHEDULED} WHERE account_id = :account_id AND state = 'waiting' ORDER BY id"
SCHEDULED_DUE = f"{_SCHEDULED} WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at, id LIMIT :limit"
SETTLE = (
    "UPDATE bank_scheduled_payment SET state = 'paid', settled_at = :at "
    "WHERE id = :id AND state = 'waiting' AND due_at <= :now"
)
REFUSE = "UPDATE bank_scheduled_payment SET state = 'refused', reason = :reason WHERE id = :id"
CALL_OFF = "UPDATE bank_scheduled_payment SET state = 'cancelled', settled_at = :at WHERE id = :id AND state = 'waiting'"

ONE_CONSENT = f"SELECT {CONSENT} FROM bank_consent WHERE id = :id"
BY_TOKEN = f"SELECT {CONSENT} FROM bank_consent WHERE token_hash = :hash"
BY_KEY = f"SELECT {CONSENT} FROM bank_consent WHERE client = :client AND kind = :kind AND key = :key"
ALLOW = "INSERT INTO bank_consent_account (consent_id, account_id) VALUES (:consent_id, :account_id)"
ALLOWED = (
    f"SELECT {columns(Account, 'a')} FROM bank_consent_account c JOIN bank_account a ON a.id = c.account_id "
    "WHERE c.consent_id = :id ORDER BY a.no"
)
ONE_ORDER = f"SELECT {ORDER} FROM bank_order WHERE id = :id"
ORDER_OF = f"SELECT {ORDER} FROM bank_order WHERE consent_id = :consent_id"

CHECKS = (
    Check(
        "every account has its ledger",
        "An account's currency and limit are those of its account in the ledger",
        "SELECT a.id FROM bank_account a JOIN ledger_account l ON l.id = a.ledger_id WHERE l.book <> 'bank' "
        "OR l.currency <> a.currency OR l.max_debit IS NULL OR l.max_debit <> a.overdraft",
    ),
    Check(
        "every movement is explained",
        "Each transfer of the ledger's book has its row at the bank with the same amount, and the other way round",
        "SELECT l.id FROM ledger_transfer l JOIN ledger_account d ON d.id = l.debit_id AND d.book = 'bank' "
        "LEFT JOIN bank_transfer t ON t.id = l.id WHERE t.id IS NULL OR t.amount <> l.amount OR t.currency <> d.currency",
    ),
    Check(
        "a standing order pays each occurrence once",
        "Payments and refusals of a standing order are its occurrences that are over",
        "SELECT s.id FROM bank_standing_order s WHERE s.made - s.refused <> "
        "(SELECT count(*) FROM bank_transfer t WHERE t.kind = 'standing-order' AND t.debtor_id = s.account_id "
        "AND t.id >= s.id || ':' AND t.id < s.id || ';')",
    ),
    Check(
        "a scheduled payment is made once",
        "A scheduled payment is paid where, and only where, there is its transfer with the same amount from its account",
        "SELECT s.id FROM bank_scheduled_payment s LEFT JOIN bank_transfer t ON t.id = s.id "
        "WHERE (s.state = 'paid') <> (t.id IS NOT NULL) "
        "OR t.amount <> s.amount OR t.currency <> s.currency OR t.debtor_id <> s.account_id",
    ),
    Check(
        "a consent to pay is used once",
        "A consent is consumed where, and only where, there is an order for it",
        "SELECT c.id FROM bank_consent c LEFT JOIN bank_order o ON o.consent_id = c.id "
        "WHERE (c.state = 'COND') <> (o.id IS NOT NULL)",
    ),
)
