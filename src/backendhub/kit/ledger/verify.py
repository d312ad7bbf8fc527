"""The ledger proves itself: every balance is added up again from the transfers."""

from __future__ import annotations

from backendhub.kit import checks
from backendhub.kit.checks import Check
from backendhub.kit.db import Db

from .store import INCOMING, RESERVED

# Every leg of every transfer that moved money, positive for debits.
_LEGS = (
    "SELECT id, debit_id AS account_id, debit_line AS line, amount, debit_balance AS balance, at, debit_before AS before "
    "FROM ledger_transfer WHERE debit_line IS NOT NULL UNION ALL "
    "SELECT id, credit_id, credit_line, -amount, credit_balance, at, credit_before FROM ledger_transfer "
    "WHERE credit_line IS NOT NULL"
)

# What another machine, whose clock is ahead, has done to one of the accounts: a row that follows bears its time.
_SAME_TIME = (
    "SELECT 1 FROM ledger_transfer o WHERE o.id <> t.id AND o.at = t.at AND o.debit_line IS NOT NULL "
    "AND (o.debit_id IN (t.debit_id, t.credit_id) OR o.credit_id IN (t.debit_id, t.credit_id))"
)

CHECKS = (
    Check(
        "ledger sums to zero",
        "In every book and currency, the balances of all accounts add up to zero",
        "SELECT book, currency, sum(debits) - sum(credits) FROM ledger_account WHERE (:book = '' OR book = :book) "
        "GROUP BY book, currency HAVING sum(debits) <> sum(credits)",
    ),
    Check(
        "balances are their transfers",
        "Debits and credits of every account are the sums of its transfers",
        f"""SELECT a.id, a.name, a.debits, a.credits FROM ledger_account a LEFT JOIN (
          SELECT account_id, sum(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS debits,
            sum(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS credits
          FROM ({_LEGS}) AS legs GROUP BY account_id
        ) AS folded ON folded.account_id = a.id
        WHERE (:book = '' OR a.book = :book)
          AND (a.debits <> coalesce(folded.debits, 0) OR a.credits <> coalesce(folded.credits, 0))""",
    ),
    Check(
        "statements add up",
        "The lines of an account are numbered without a gap, in the order of time; each names the one before, whose balance "
        "it continues",
        f"""SELECT account_id, line FROM (
          SELECT account_id, line, balance, at, before, sum(amount) OVER own AS folded, row_number() OVER own AS place,
            lag(at) OVER own AS earlier, lag(id) OVER own AS previous
          FROM ({_LEGS}) AS legs WHERE (:book = '' OR account_id IN (SELECT id FROM ledger_account WHERE book = :book))
          WINDOW own AS (PARTITION BY account_id ORDER BY line)
        ) AS numbered WHERE balance <> folded OR line <> place OR at < earlier
          OR coalesce(before, '') <> coalesce(previous, '')""",
    ),
    Check(
        "statements are found",
        "An account names its last line, and every 64th line is marked with its time",
        f"""SELECT a.id, a.lines FROM ledger_account a LEFT JOIN (
          SELECT account_id, max(line) AS line, sum(CASE WHEN line % 64 = 0 THEN 1 ELSE 0 END) AS marks
          FROM ({_LEGS}) AS legs GROUP BY account_id
        ) AS own ON own.account_id = a.id
        LEFT JOIN ledger_transfer t ON t.id = a.last_id
        LEFT JOIN (
          SELECT m.account_id, count(*) AS marks FROM ledger_mark m JOIN ({_LEGS}) AS l
            ON l.account_id = m.account_id AND l.line = m.line AND l.id = m.id AND l.at = m.at GROUP BY m.account_id
        ) AS marked ON marked.account_id = a.id
        WHERE (:book = '' OR a.book = :book) AND (a.lines <> coalesce(own.line, 0)
          OR coalesce(CASE WHEN t.debit_id = a.id THEN t.debit_line WHEN t.credit_id = a.id THEN t.credit_line END, 0) <> a.lines
          OR coalesce(own.marks, 0) <> coalesce(marked.marks, 0))""",
    ),
    Check(
        "limits hold",
        "No account is beyond its limits, reservations included",
        f"""SELECT a.id, a.name, a.debits - a.credits FROM ledger_account a WHERE (:book = '' OR a.book = :book) AND (
          a.debits - a.credits + CASE WHEN a.max_debit IS NULL THEN 0 ELSE {RESERVED} END > a.max_debit
          OR a.credits - a.debits + CASE WHEN a.max_credit IS NULL THEN 0 ELSE {INCOMING} END > a.max_credit)""",
    ),
    Check(
        "transfers stay in their book and currency",
        "Both accounts of a transfer have the same book and currency",
        "SELECT t.id FROM ledger_transfer t JOIN ledger_account d ON d.id = t.debit_id "
        "JOIN ledger_account c ON c.id = t.credit_id WHERE (:book = '' OR d.book = :book) "
        "AND (d.currency <> c.currency OR d.book <> c.book)",
    ),
    Check(
        "one resolution each",
        "A post or void resolves a pending transfer of the same accounts, for at most its amount, before it expires",
        "SELECT t.id FROM ledger_transfer t JOIN ledger_transfer p ON p.id = t.pending_id "
        "JOIN ledger_account d ON d.id = t.debit_id WHERE (:book = '' OR d.book = :book) AND (p.kind <> 'pending' "
        "OR p.debit_id <> t.debit_id OR p.credit_id <> t.credit_id OR t.amount > p.amount "
        f"OR (t.at >= p.expires_at AND NOT EXISTS ({_SAME_TIME})) "
        "OR EXISTS (SELECT 1 FROM ledger_pending o WHERE o.id = p.id))",
    ),
    Check(
        "what is pending is reserved",
        "A pending transfer that is neither resolved nor expired is reserved with its amount",
        "SELECT t.id FROM ledger_transfer t JOIN ledger_account d ON d.id = t.debit_id "
        "LEFT JOIN ledger_pending p ON p.id = t.id WHERE t.kind = 'pending' AND (:book = '' OR d.book = :book) "
        "AND (t.expires_at IS NULL OR t.expires_at > :now) "
        "AND NOT EXISTS (SELECT 1 FROM ledger_transfer r WHERE r.pending_id = t.id) "
        "AND (p.id IS NULL OR p.amount <> t.amount OR p.debit_id <> t.debit_id OR p.credit_id <> t.credit_id)",
    ),
)


def verify(db: Db, book: str = "") -> checks.Report:
    """Every invariant of the ledger (of one book, or of all) from the transfers up."""
    return checks.run(db, CHECKS, {"book": book})
