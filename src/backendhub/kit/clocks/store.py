"""The statements of test clocks."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Clock, Due

CLOCK = columns(Clock)

INSERT = f"INSERT INTO clocks_clock (id, at) VALUES (:id, :at) RETURNING {CLOCK}"
ONE = f"SELECT {CLOCK} FROM clocks_clock WHERE id = :id"
# Whoever moves a clock has its row: steps of one clock come one after the other.
LOCK = {"sqlite": ONE, "postgres": ONE + " FOR UPDATE"}
AIM = f"UPDATE clocks_clock SET target = :to WHERE id = :id AND target IS NULL AND at < :to RETURNING {CLOCK}"
MOVE = "UPDATE clocks_clock SET at = :at WHERE id = :id"
ARRIVE = "UPDATE clocks_clock SET at = target, target = NULL WHERE id = :id"
DELETE = "DELETE FROM clocks_clock WHERE id = :id"

# As with jobs: of those with one name and key one waits, and the earlier of both times wins.
PUT = (
    "INSERT INTO clocks_due (clock_id, at, name, unique_key, payload) VALUES (:clock_id, :at, :name, :unique, :payload) "
    "ON CONFLICT (clock_id, name, unique_key) DO UPDATE SET "
    "at = CASE WHEN excluded.at < clocks_due.at THEN excluded.at ELSE clocks_due.at END"
)
NEXT = f"SELECT {columns(Due)} FROM clocks_due WHERE clock_id = :clock_id AND at <= :until ORDER BY at, id LIMIT 1"
DONE = "DELETE FROM clocks_due WHERE id = :id"
