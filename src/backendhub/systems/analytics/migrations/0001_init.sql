-- needs: jobs
-- What came in is kept as it came, and answered for, in `inbox`; `digest` makes events of it.
CREATE TABLE analytics_source (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CHECK (name <> ''),
  write_key TEXT UNIQUE, -- Segment's name for it
  domain TEXT UNIQUE, -- Plausible's
  timezone TEXT NOT NULL,
  created_at TEXT NOT NULL,
  CHECK (write_key IS NOT NULL OR domain IS NOT NULL)
);

CREATE TABLE analytics_inbox (
  no {pk},
  door TEXT NOT NULL CHECK (door IN ('segment', 'plausible')),
  key TEXT NOT NULL, -- write key or domain
  kind TEXT NOT NULL, -- batch, track, page …
  received_at TEXT NOT NULL,
  body {bytes} NOT NULL
);

CREATE TABLE analytics_event (
  id BIGINT PRIMARY KEY,
  source_id TEXT NOT NULL REFERENCES analytics_source (id) ON DELETE CASCADE,
  message_id TEXT NOT NULL,
  type TEXT NOT NULL,
  name TEXT NOT NULL,
  visitor TEXT NOT NULL,
  user_id TEXT,
  session_id BIGINT NOT NULL,
  at TEXT NOT NULL,
  hour TEXT NOT NULL, -- of the source's clock: 2026-01-05T09
  received_at TEXT NOT NULL,
  hostname TEXT,
  path TEXT,
  revenue BIGINT, -- minor units of `currency`
  currency TEXT,
  properties TEXT NOT NULL, -- JSON object
  UNIQUE (source_id, message_id)
);
CREATE INDEX analytics_event_at ON analytics_event (source_id, at);
CREATE INDEX analytics_event_visitor ON analytics_event (source_id, visitor, at);
CREATE INDEX analytics_event_session ON analytics_event (session_id);

-- A visit: events of one visitor with no more than half an hour between them.
CREATE TABLE analytics_session (
  id BIGINT PRIMARY KEY,
  source_id TEXT NOT NULL REFERENCES analytics_source (id) ON DELETE CASCADE,
  visitor TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT NOT NULL,
  duration_s BIGINT NOT NULL,
  pageviews BIGINT NOT NULL,
  events BIGINT NOT NULL, -- those that count as interaction
  entry_page TEXT,
  exit_page TEXT,
  source TEXT,
  referrer TEXT,
  utm_source TEXT,
  utm_medium TEXT,
  utm_campaign TEXT,
  utm_term TEXT,
  utm_content TEXT,
  browser TEXT,
  os TEXT,
  device TEXT
);
CREATE INDEX analytics_session_visitor ON analytics_session (source_id, visitor, ended_at);
CREATE INDEX analytics_session_ended ON analytics_session (source_id, ended_at);

-- Who a visitor turned out to be.
CREATE TABLE analytics_alias (
  source_id TEXT NOT NULL REFERENCES analytics_source (id) ON DELETE CASCADE,
  anonymous_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (source_id, anonymous_id)
);
CREATE TABLE analytics_person (
  source_id TEXT NOT NULL REFERENCES analytics_source (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL,
  traits TEXT NOT NULL, -- JSON object
  first_seen_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  PRIMARY KEY (source_id, user_id)
);

CREATE TABLE analytics_reject (
  id {pk},
  door TEXT NOT NULL,
  key TEXT NOT NULL,
  received_at TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  payload TEXT NOT NULL -- the event as it came, its beginning where it is long
);
CREATE INDEX analytics_reject_key ON analytics_reject (door, key, id);

-- received = stored + duplicates + rejected, a row for each key and day (UTC).
CREATE TABLE analytics_tally (
  door TEXT NOT NULL,
  key TEXT NOT NULL,
  day TEXT NOT NULL,
  received BIGINT NOT NULL,
  stored BIGINT NOT NULL,
  duplicates BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  PRIMARY KEY (door, key, day)
);

CREATE TABLE analytics_goal (
  id {pk},
  source_id TEXT NOT NULL REFERENCES analytics_source (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('event', 'page')),
  match TEXT NOT NULL, -- an event's name, or a path with * and **
  pattern TEXT, -- the path as a regular expression, where it has a *
  name TEXT NOT NULL,
  UNIQUE (source_id, name)
);

-- What visitors without an account are told apart by; gone after two days, so that nobody can be found again.
CREATE TABLE analytics_salt (
  day TEXT PRIMARY KEY,
  salt TEXT NOT NULL
);
