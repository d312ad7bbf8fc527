"""Every SQL statement of the ledger."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Account, Transfer

ACCOUNT = columns(Account)
TRANSFER = columns(Transfer)
FOREVER = "9999-12-31T23:59:59.999Z"

ONE_ACCOUNT = f"SELECT {ACCOUNT} FROM ledger_account WHERE id = :id"
NAMED_ACCOUNT = (
    f"SELECT {ACCOUNT} FROM ledger_account WHERE book = :book AND name = :name AND currency = :currency"
)
ACCOUNTS_OF = f"SELECT {ACCOUNT} FROM ledger_account WHERE book = :book ORDER BY id"
INSERT_ACCOUNT = (
    "INSERT INTO ledger_account (book, name, currency, side, debits, credits, lines, max_debit, max_credit, moved_at, created_at) "
    "VALUES (:book, :name, :currency, :side, 0, 0, 0, :max_debit, :max_credit, :at, :at) "
    f"ON CONFLICT (book, name, currency) DO NOTHING RETURNING {ACCOUNT}"
)

# Whoever changes accounts has their rows first, in the order of their ids, so that no two wait for each other. What
# later statements read of them is final. On SQLite the transaction itself is the lock (BEGIN IMMEDIATE).
LOCK_ON_POSTGRES = (
    "SELECT id FROM ledger_account WHERE id IN (SELECT CAST(value AS bigint) FROM "
    "json_array_elements_text(CAST(:ids AS json))) ORDER BY id FOR NO KEY UPDATE"
)
ACCOUNTS_ON_POSTGRES = (
    "SELECT debit_id, credit_id FROM ledger_transfer WHERE id IN (SELECT value FROM "
    "json_array_elements_text(CAST(:ids AS json)))"
)

# What is pending on either side of account `a`, now: one that has expired is not.
RESERVED = "coalesce((SELECT sum(p.amount) FROM ledger_pending p WHERE p.debit_id = a.id AND p.expires_at > :now), 0)"
INCOMING = "coalesce((SELECT sum(p.amount) FROM ledger_pending p WHERE p.credit_id = a.id AND p.expires_at > :now), 0)"
# What `d` pays and `c` gets fits both: the rules of a new transfer. Reservations are added up only where a limit asks.
RULES = f"""d.book = c.book AND d.currency = :currency AND c.currency = :currency
  AND d.closed_at IS NULL AND c.closed_at IS NULL
  AND (d.max_debit IS NULL OR d.debits - d.credits + :amount + {RESERVED.replace("a.id", "d.id")} <= d.max_debit)
  AND (c.max_credit IS NULL OR c.credits - c.debits + :amount + {INCOMING.replace("a.id", "c.id")} <= c.max_credit)"""
_LATEST = {
    "sqlite": "max(:now, d.moved_at, c.moved_at)",
    "postgres": "greatest(:now, d.moved_at, c.moved_at)",
}
_LINES = {
    "debit_line": "d.lines + 1",
    "debit_balance": "d.debits - d.credits + :amount",
    "credit_line": "c.lines + 1",
    "credit_balance": "c.debits - c.credits - :amount",
}
_GIVEN = ("id", "kind", "amount", "code", "memo")


def _insert(*names: str, lines: bool = False, rules: str = "") -> dict[str, str]:
    """A statement that reads both accounts, inserts the row that follows from them, and gives what it has made up; no
    row where a rule forbids it or the id is taken. Its time is never before the last line of either account."""
    values = {name: f":{name}" for name in (*_GIVEN, *names)} | {"debit_id": "d.id", "credit_id": "c.id"}
    values |= _LINES if lines else {}
    columns_, terms = ", ".join(values), ", ".join(values.values())
    return {
        dialect: f"INSERT INTO ledger_transfer ({columns_}, at) SELECT {terms}, {latest} "
        "FROM ledger_account d CROSS JOIN ledger_account c "
        f"WHERE d.id = :debit_id AND c.id = :credit_id{rules and ' AND '}{rules} "
        "ON CONFLICT (id) DO NOTHING RETURNING at, debit_line, debit_balance, credit_line, credit_balance"
        for dialect, latest in _LATEST.items()
    }


MOVE = _insert(lines=True, rules=RULES)
RESERVE = _insert("timeout_ms", "expires_at", rules=RULES)
POST = _insert("pending_id", lines=True)
VOID = _insert("pending_id")
# Both accounts of a transfer that was refused, to say why.
PAIR = f"""
SELECT d.name, d.book, d.currency, d.closed_at,
  d.debits - d.credits + {RESERVED.replace("a.id", "d.id")} - d.max_debit,
  c.name, c.book, c.currency, c.closed_at
FROM ledger_account d CROSS JOIN ledger_account c WHERE d.id = :debit_id AND c.id = :credit_id"""
# Whoever deletes the row has the right to resolve it; the time is tested here and nowhere else.
CLAIM_PENDING = "DELETE FROM ledger_pending WHERE id = :id AND expires_at > :now"

ONE_TRANSFER = f"SELECT {TRANSFER} FROM ledger_transfer WHERE id = :id"
RESOLUTION = f"SELECT {TRANSFER} FROM ledger_transfer WHERE pending_id = :id"
CURRENCY = "SELECT currency FROM ledger_account WHERE id = :id"

LIMITS = f"""
UPDATE ledger_account SET max_debit = :max_debit, max_credit = :max_credit WHERE id IN (
  SELECT a.id FROM ledger_account a WHERE a.id = :id
    AND (:free_debit OR a.debits - a.credits + {RESERVED} <= :max_debit)
    AND (:free_credit OR a.credits - a.debits + {INCOMING} <= :max_credit))"""
CLOSE = """
UPDATE ledger_account SET closed_at = :now WHERE id = :id AND closed_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM ledger_pending p WHERE (p.debit_id = :id OR p.credit_id = :id) AND p.expires_at > :now)"""
REOPEN = "UPDATE ledger_account SET closed_at = NULL WHERE id = :id"

PENDING_SUMS = f"SELECT {RESERVED}, {INCOMING} FROM ledger_account a WHERE a.id = :id"
PENDING_OF = f"""
SELECT {columns(Transfer, "t")} FROM ledger_pending p JOIN ledger_transfer t ON t.id = p.id
WHERE (p.debit_id = :id OR p.credit_id = :id) AND p.expires_at > :now ORDER BY t.at, t.id"""
# The last line not later than a moment, on either side.
AS_OF = """
SELECT balance FROM (
  SELECT * FROM (SELECT at, debit_line AS line, debit_balance AS balance FROM ledger_transfer
    WHERE debit_id = :id AND debit_line IS NOT NULL AND at <= :as_of ORDER BY at DESC, debit_line DESC LIMIT 1) AS a
  UNION ALL
  SELECT * FROM (SELECT at, credit_line AS line, credit_balance AS balance FROM ledger_transfer
    WHERE credit_id = :id AND credit_line IS NOT NULL AND at <= :as_of ORDER BY at DESC, credit_line DESC LIMIT 1) AS b
) AS last ORDER BY at DESC, line DESC LIMIT 1"""


def _leg(side: str, other: str, sign: str) -> str:
    return (
        f"SELECT * FROM (SELECT {side}_line AS line, id, kind, at, {sign}:sign * amount AS amount, "
        f":sign * {side}_balance AS balance, {other}_id AS other_id, code, memo FROM ledger_transfer "
        f"WHERE {side}_id = :id AND {side}_line IS NOT NULL AND at >= :since AND at < :until "
        f"AND (at, {side}_line) {{after}} ORDER BY at {{way}}, {side}_line {{way}} LIMIT :limit) AS {side}s"
    )


# A page of an account's lines. `:sign` is 1 for an account of the debit side, -1 for one of the credit side.
ENTRIES = (
    "SELECT line, id, kind, at, amount, balance, other_id, code, memo FROM ("
    + _leg("debit", "credit", "")
    + " UNION ALL "
    + _leg("credit", "debit", "-")
    + ") AS page ORDER BY at {way}, line {way} LIMIT :limit"
)
NEWEST = ENTRIES.format(after="< (:key0, :key1)", way="DESC")
OLDEST = ENTRIES.format(after="> (:key0, :key1)", way="ASC")

SWEEP = (
    "DELETE FROM ledger_pending WHERE expires_at <= :now "
    "AND debit_id IN (SELECT id FROM ledger_account WHERE book = :book)"
)
