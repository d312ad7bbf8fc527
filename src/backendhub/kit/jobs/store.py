"""Every SQL statement of the job queue."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Job, Schedule

JOB = columns(Job)
SCHEDULE = columns(Schedule)
LIMIT = "coalesce(max_attempts, (SELECT k.attempts FROM jobs_kind k WHERE k.name = jobs_job.name), 10)"

# The row that waits under the same key is touched, so that no worker can take it before this transaction has
# ended: whoever takes it sees what was written here. The earlier of both times wins.
INSERT = (
    "INSERT INTO jobs_job (name, queue, priority, state, unique_key, serial, payload, run_at, due_at, max_attempts, "
    "traceparent, created_at) VALUES (:name, :queue, :priority, :state, :unique, :serial, :payload, :at, :at, "
    ":attempts, :traceparent, :now) "
    "ON CONFLICT (name, unique_key) WHERE state = 'scheduled' OR state = 'waiting' OR state = 'ready' DO UPDATE SET "
    "due_at = CASE WHEN excluded.due_at < jobs_job.due_at THEN excluded.due_at ELSE jobs_job.due_at END RETURNING id"
)

# -- what a worker asks ------------------------------------------------------------------------------------

NEXT_DUE = (
    "SELECT min(at) FROM (SELECT min(due_at) AS at FROM jobs_job WHERE state = 'scheduled' UNION ALL "
    "SELECT min(due_at) FROM jobs_job WHERE state = 'running' UNION ALL "
    "SELECT min(next_at) FROM jobs_kind WHERE next_at IS NOT NULL) AS times"
)
# One step through the index for each queue, however many jobs wait in it. SQLite has to be told which one.
_QUEUES = (
    "WITH RECURSIVE found(name) AS (SELECT (SELECT queue FROM jobs_job{by} WHERE state = 'ready' ORDER BY queue LIMIT 1) "
    "UNION ALL SELECT (SELECT queue FROM jobs_job{by} WHERE state = 'ready' AND queue > found.name ORDER BY queue "
    "LIMIT 1) FROM found WHERE found.name IS NOT NULL) SELECT name FROM found WHERE name IS NOT NULL"
)
READY_QUEUES = {
    "sqlite": _QUEUES.format(by=" INDEXED BY jobs_job_ready"),
    "postgres": _QUEUES.format(by=""),
}
CANCELLING = "SELECT id, attempts FROM jobs_job WHERE state = 'running' AND cancelling AND worker = :worker"

PROMOTE = "UPDATE jobs_job SET state = 'ready' WHERE state = 'scheduled' AND due_at <= :now"

# Of those with the same serial key only the oldest that is unfinished may be taken.
_PICK = (
    "SELECT j.id AS pick FROM jobs_job j WHERE j.state = 'ready' AND j.queue = :queue AND (j.serial IS NULL OR NOT EXISTS "
    "(SELECT 1 FROM jobs_job e WHERE e.serial = j.serial AND e.id < j.id "
    "AND e.finished_at IS NULL)) ORDER BY j.priority DESC, j.id LIMIT :limit"
)
_TAKE = (
    "UPDATE jobs_job SET state = 'running', worker = :worker, attempts = attempts + 1, due_at = :lease, "
    "started_at = :now, finished_at = NULL, progress = NULL, note = NULL FROM picked WHERE id = pick "
    f"RETURNING {JOB}"
)
CLAIM = {
    "sqlite": f"WITH picked AS MATERIALIZED ({_PICK}) {_TAKE}",
    "postgres": f"WITH picked AS MATERIALIZED ({_PICK} FOR UPDATE OF j SKIP LOCKED) {_TAKE}",
}
# What stands behind another is put aside, or each look for something to take would pass by all of it. Whoever ends a
# job of a serial key frees the next. On PostgreSQL a lock keeps the one from missing the other; it is held
# together by those who end jobs and alone by those who put aside.
LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(7364872, hashtext(current_schema()))"
LOCK_ALONE = "SELECT pg_advisory_xact_lock(7364872, hashtext(current_schema()))"
_BEHIND = (
    "SELECT j.id FROM jobs_job j WHERE j.state = 'ready' AND j.queue = :queue AND j.serial IS NOT NULL AND EXISTS "
    "(SELECT 1 FROM jobs_job e WHERE e.serial = j.serial AND e.id < j.id AND e.finished_at IS NULL) "
    "ORDER BY j.priority DESC, j.id LIMIT 2000"
)
PUT_ASIDE = {
    "sqlite": f"UPDATE jobs_job SET state = 'waiting' WHERE id IN ({_BEHIND})",
    "postgres": f"UPDATE jobs_job SET state = 'waiting' WHERE id IN ({_BEHIND} FOR UPDATE OF j SKIP LOCKED)",
}
FREE_NEXT = (
    "UPDATE jobs_job SET state = 'ready' WHERE state = 'waiting' AND id = (SELECT id FROM jobs_job "
    "WHERE serial = :serial AND finished_at IS NULL ORDER BY id LIMIT 1)"
)
FREE_ALL = (
    "UPDATE jobs_job SET state = 'ready' WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM jobs_job e "
    "WHERE e.serial = jobs_job.serial AND e.id < jobs_job.id AND e.finished_at IS NULL)"
)
_SOME = "SELECT 1 FROM jobs_job{by} WHERE state = 'ready' AND queue = :queue AND serial IS NOT NULL LIMIT 1"
SOME_READY = {
    "sqlite": _SOME.format(by=" INDEXED BY jobs_job_ready"),
    "postgres": _SOME.format(by=""),
}
# A row that is locked is about to be finished: its lease needs no extension, and the heartbeat must not wait.
EXTEND = {
    "sqlite": "UPDATE jobs_job SET due_at = :lease WHERE id = :id AND attempts = :attempts AND state = 'running'",
    "postgres": "UPDATE jobs_job SET due_at = :lease WHERE id IN (SELECT id FROM jobs_job WHERE id = :id AND "
    "attempts = :attempts AND state = 'running' FOR UPDATE SKIP LOCKED)",
}
PROGRESS = (
    "UPDATE jobs_job SET progress = :progress, note = :note WHERE id = :id AND attempts = :attempts "
    "AND state = 'running'"
)

# -- how a run ends; `attempts` makes sure that it is this run's job still -----------------------------------

FINISH = (
    "UPDATE jobs_job SET state = 'done', result = :result, error = NULL, progress = 1, finished_at = :now, "
    "keep_until = :keep, worker = NULL WHERE id = :id AND attempts = :attempts AND state = 'running' "
    "AND (:anyway OR NOT cancelling)"
)
END = (
    "UPDATE jobs_job SET state = :state, error = :error, finished_at = :now, keep_until = :keep, worker = NULL, "
    "cancelling = FALSE WHERE id = :id AND attempts = :attempts AND state = 'running'"
)
RETRY = "UPDATE jobs_job SET state = 'scheduled', error = :error, due_at = :due, worker = NULL WHERE id = :id AND attempts = :attempts AND state = 'running'"
LATER = (
    "UPDATE jobs_job SET state = 'scheduled', error = :error, due_at = :due, worker = NULL, "
    f"max_attempts = {LIMIT} + 1 WHERE id = :id AND attempts = :attempts AND state = 'running'"
)
RELEASE = (
    f"UPDATE jobs_job SET state = 'ready', worker = NULL, max_attempts = {LIMIT} + 1 "
    "WHERE id = :id AND attempts = :attempts AND state = 'running'"
)
SUPERSEDED = (
    "SELECT id FROM jobs_job WHERE name = :name AND unique_key = :unique "
    "AND (state = 'scheduled' OR state = 'waiting' OR state = 'ready') AND id <> :id LIMIT 1"
)

# -- leases that have run out --------------------------------------------------------------------------------

_LOST = "state = 'running' AND due_at <= :now"
LOST_CANCELLED = (
    "UPDATE jobs_job SET state = 'cancelled', cancelling = FALSE, worker = NULL, finished_at = :now, keep_until = :keep "
    f"WHERE {_LOST} AND cancelling"
)
LOST_DEAD = (
    "UPDATE jobs_job SET state = 'dead', worker = NULL, finished_at = :now, keep_until = :keep_dead, error = :error "
    f"WHERE {_LOST} AND attempts >= {LIMIT}"
)
LOST_SUPERSEDED = (
    "UPDATE jobs_job SET state = 'cancelled', worker = NULL, finished_at = :now, keep_until = :keep, "
    f"error = :superseded WHERE {_LOST} AND unique_key IS NOT NULL AND EXISTS (SELECT 1 FROM jobs_job o "
    "WHERE o.name = jobs_job.name AND o.unique_key = jobs_job.unique_key AND (o.state = 'scheduled' OR o.state = 'waiting' OR o.state = 'ready' "
    "OR (o.state = 'running' AND o.due_at <= :now AND o.id > jobs_job.id)))"
)
LOST = f"UPDATE jobs_job SET state = 'ready', worker = NULL, error = :error WHERE {_LOST}"

# -- what people ask -------------------------------------------------------------------------------------------

SELECT = f"SELECT {JOB} FROM jobs_job WHERE id = :id"
LIST = f"SELECT {JOB} FROM jobs_job WHERE id < :before ORDER BY id DESC LIMIT :limit"
LIST_STATE = f"SELECT {JOB} FROM jobs_job WHERE id < :before AND state = :state ORDER BY id DESC LIMIT :limit"
LIST_NAME = f"SELECT {JOB} FROM jobs_job WHERE id < :before AND name = :name ORDER BY id DESC LIMIT :limit"
LIST_BOTH = f"SELECT {JOB} FROM jobs_job WHERE id < :before AND state = :state AND name = :name ORDER BY id DESC LIMIT :limit"
DEPTHS = (
    "SELECT queue, state, count(*) FROM jobs_job WHERE state IN ('scheduled', 'waiting', 'ready', 'running', 'dead') "
    "GROUP BY queue, state ORDER BY queue, state"
)
CANCEL_PENDING = (
    "UPDATE jobs_job SET state = 'cancelled', finished_at = :now, keep_until = :keep "
    "WHERE id = :id AND state IN ('scheduled', 'waiting', 'ready')"
)
CANCEL_RUNNING = "UPDATE jobs_job SET cancelling = TRUE WHERE id = :id AND state = 'running'"
AGAIN = (
    f"UPDATE jobs_job SET state = 'ready', due_at = :now, max_attempts = attempts + {LIMIT}, finished_at = NULL, "
    "keep_until = NULL, cancelling = FALSE WHERE id = :id AND state IN ('scheduled', 'dead', 'cancelled')"
)
DEAD_IDS = "SELECT id FROM jobs_job WHERE state = 'dead' AND id > :after ORDER BY id LIMIT :limit"
DELETE_FINISHED = "DELETE FROM jobs_job WHERE id = :id AND state IN ('done', 'dead', 'cancelled')"
PURGE = "DELETE FROM jobs_job WHERE id IN (SELECT id FROM jobs_job WHERE keep_until < :now ORDER BY keep_until LIMIT 1000)"

# -- what the code declares ------------------------------------------------------------------------------------

SOURCES = "SELECT system, hash FROM jobs_source"
PUT_SOURCE = (
    "INSERT INTO jobs_source (system, hash) VALUES (:system, :hash) "
    "ON CONFLICT (system) DO UPDATE SET hash = excluded.hash"
)
PUT_KIND = (
    "INSERT INTO jobs_kind (name, system, attempts, topics, cron, zone, next_at) "
    "VALUES (:name, :system, :attempts, :topics, :cron, :zone, :next) ON CONFLICT (name) DO UPDATE SET "
    "system = excluded.system, attempts = excluded.attempts, topics = excluded.topics, cron = excluded.cron, "
    "zone = excluded.zone, next_at = CASE WHEN jobs_kind.cron = excluded.cron AND jobs_kind.zone = excluded.zone "
    "THEN jobs_kind.next_at ELSE excluded.next_at END"
)
KINDS = f"SELECT {SCHEDULE} FROM jobs_kind ORDER BY name"
KINDS_OF = "SELECT name FROM jobs_kind WHERE system = :system"
DELETE_KIND = "DELETE FROM jobs_kind WHERE name = :name"
DUE_KINDS = f"SELECT {SCHEDULE} FROM jobs_kind WHERE next_at <= :now ORDER BY next_at"
ADVANCE = "UPDATE jobs_kind SET next_at = :next, last_at = :due WHERE name = :name AND next_at = :due"
