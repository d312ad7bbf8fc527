CREATE TABLE backup_target (
  id {pk},
  name TEXT NOT NULL UNIQUE CHECK (name <> ''),
  dsn TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('auto', 'full', 'diff', 'incr')),
  options TEXT NOT NULL,
  every TEXT,
  drill_every TEXT,
  keep TEXT NOT NULL,
  ping TEXT,
  next_run_at TEXT,
  next_drill_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE backup_log (
  id {pk},
  rid TEXT NOT NULL UNIQUE,
  target TEXT NOT NULL,
  action TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'ok', 'warnings', 'failed', 'interrupted')),
  started_at TEXT NOT NULL,
  finished_at TEXT,
  seconds DOUBLE PRECISION,
  exit_code BIGINT,
  type TEXT,
  snapshot TEXT,
  bytes_read BIGINT,
  bytes_added BIGINT,
  message TEXT
);
CREATE INDEX backup_log_target ON backup_log (target, action, id);
