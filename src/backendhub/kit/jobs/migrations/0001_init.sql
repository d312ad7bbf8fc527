-- A job is a row. `due_at` says when somebody may take it next: the time to run of one that is scheduled, the end of
-- the lease of one that is running. `attempts` only ever grows and so names one run of a job (a fencing token). One that waits has an older one of the same serial key before it.
CREATE TABLE jobs_job (
  id {pk},
  name TEXT NOT NULL,
  queue TEXT NOT NULL,
  priority BIGINT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('scheduled', 'waiting', 'ready', 'running', 'done', 'dead', 'cancelled')),
  unique_key TEXT,
  serial TEXT,
  payload TEXT NOT NULL,
  run_at TEXT NOT NULL,
  due_at TEXT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  max_attempts BIGINT,
  worker TEXT,
  cancelling BOOLEAN NOT NULL DEFAULT FALSE,
  progress DOUBLE PRECISION CHECK (progress BETWEEN 0 AND 1),
  note TEXT,
  result TEXT,
  error TEXT,
  traceparent TEXT,
  created_at TEXT NOT NULL,
  started_at TEXT,
  finished_at TEXT,
  keep_until TEXT
);

-- One job waits under a key; while it runs, the next one may already wait. (SQLite finds a partial index by one of
-- the terms of an OR, not by a member of an IN.)
CREATE UNIQUE INDEX jobs_job_unique ON jobs_job (name, unique_key)
  WHERE state = 'scheduled' OR state = 'waiting' OR state = 'ready';
CREATE INDEX jobs_job_ready ON jobs_job (queue, priority DESC, id) WHERE state = 'ready';
CREATE INDEX jobs_job_due ON jobs_job (state, due_at) WHERE state = 'scheduled' OR state = 'running';
CREATE INDEX jobs_job_serial ON jobs_job (serial, id) WHERE serial IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jobs_job_keep ON jobs_job (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX jobs_job_state ON jobs_job (state, id);
CREATE INDEX jobs_job_name ON jobs_job (name, id);

-- What the code declares, so that a system is imported only when a job of it is due.
CREATE TABLE jobs_kind (
  name TEXT PRIMARY KEY,
  system TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  topics TEXT NOT NULL,
  cron TEXT,
  zone TEXT,
  next_at TEXT,
  last_at TEXT
);
CREATE INDEX jobs_kind_next ON jobs_kind (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX jobs_kind_system ON jobs_kind (system);

CREATE TABLE jobs_source (system TEXT PRIMARY KEY, hash TEXT NOT NULL);
