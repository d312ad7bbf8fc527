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
    "debit_before": "d.last_id",
    "credit_before": "c.last_id",
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


def _walk(start: str, on: str) -> str:
    """An account's lines from the one whose id `start` is down to the first for which `on` is false: each names the one
    before it. Amounts are positive for debits."""
    line = (
        "t.id, t.kind, t.at, t.code, t.memo, "
        "CASE WHEN t.debit_id = :id THEN t.debit_line ELSE t.credit_line END, "
        "CASE WHEN t.debit_id = :id THEN t.amount ELSE -t.amount END, "
        "CASE WHEN t.debit_id = :id THEN t.debit_balance ELSE t.credit_balance END, "
        "CASE WHEN t.debit_id = :id THEN t.credit_id ELSE t.debit_id END, "
        "CASE WHEN t.debit_id = :id THEN t.debit_before ELSE t.credit_before END"
    )
    return (
        "WITH RECURSIVE walk (id, kind, at, code, memo, line, amount, balance, other_id, before) AS ("
        f"SELECT {line} FROM ledger_transfer t WHERE t.id = {start} "
        f"UNION ALL SELECT {line} FROM walk JOIN ledger_transfer t ON t.id = walk.before WHERE {on}) "
    )


def _from(mark: str, by: str) -> str:
    """The nearest mark at or after a place (every 64th line has one), else the account's last line."""
    return (
        f"coalesce((SELECT m.id FROM ledger_mark m WHERE m.account_id = :id AND {mark} ORDER BY {by} LIMIT 1), "
        "(SELECT a.last_id FROM ledger_account a WHERE a.id = :id))"
    )


# The last line of an account at or before a place (`:at`, `:line`) in its statement, and the balance after it.
PLACE = (
    _walk(_from("(m.at, m.line) > (:at, :line)", "m.at, m.line"), "(walk.at, walk.line) > (:at, :line)")
    + "SELECT line, balance FROM walk WHERE (at, line) <= (:at, :line)"
)
# The lines after `:low` up to `:high`. `:sign` is 1 for an account of the debit side, -1 for one of the credit side.
LINES = (
    _walk(_from("m.line >= :high", "m.line"), "walk.line > :low + 1")
    + "SELECT line, id, kind, at, :sign * amount AS amount, :sign * balance AS balance, other_id, code, memo FROM walk "
    "WHERE line > :low AND line <= :high AND at >= :since AND at < :until ORDER BY line"
)

SWEEP = (
    "DELETE FROM ledger_pending WHERE expires_at <= :now "
    "AND debit_id IN (SELECT id FROM ledger_account WHERE book = :book)"
)
