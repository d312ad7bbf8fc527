-- The journal behind `backendhub undo`: one hub_unit for each labelled transaction, one hub_journal row for
-- each row it changed. Triggers write it, so that no system has to think of it.
CREATE TABLE hub_unit (
  id {pk},
  label TEXT NOT NULL,
  at TEXT NOT NULL,
  open BOOLEAN NOT NULL,
  undoes BIGINT,
  undone BOOLEAN NOT NULL
);
CREATE INDEX hub_unit_open ON hub_unit (open) WHERE open;

CREATE TABLE hub_journal (
  id {pk},
  unit_id BIGINT NOT NULL REFERENCES hub_unit (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  op TEXT NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
  old TEXT,
  new TEXT
);
CREATE INDEX hub_journal_unit ON hub_journal (unit_id);

-- Responses of other people's servers. A credential never gets here, only its hash: ETags differ per token.
CREATE TABLE hub_http_cache (
  key TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  headers TEXT NOT NULL,
  body {bytes} NOT NULL,
  size BIGINT NOT NULL,
  fetched_at TEXT NOT NULL,
  used_at TEXT NOT NULL
);
CREATE INDEX hub_http_cache_used ON hub_http_cache (used_at, size);

-- Exchange rates by date, exact: one `base` = num/den `quote`. Shared by every tool that knows money.
CREATE TABLE hub_rate (
  date TEXT NOT NULL,
  base TEXT NOT NULL,
  quote TEXT NOT NULL,
  num TEXT NOT NULL,
  den TEXT NOT NULL,
  source TEXT NOT NULL,
  PRIMARY KEY (base, quote, date)
);
-- undo: hub_rate
