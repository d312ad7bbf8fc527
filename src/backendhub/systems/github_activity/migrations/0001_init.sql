-- What GitHub forgets after 30 days or 300 events. Not undoable: an archive of facts, not of a user's work.
CREATE TABLE github_activity_event (
  id TEXT PRIMARY KEY,
  login TEXT NOT NULL,
  type TEXT NOT NULL,
  repo TEXT NOT NULL,
  payload TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX github_activity_event_login ON github_activity_event (login, created_at);

-- How many commits lie between two commits: true forever. NULL: GitHub could not say when asked.
CREATE TABLE github_activity_compare (
  repo TEXT NOT NULL,
  before TEXT NOT NULL,
  head TEXT NOT NULL,
  total BIGINT,
  asked_at TEXT NOT NULL,
  PRIMARY KEY (repo, before, head)
);

-- Whom `sync` keeps up with when it is not told.
CREATE TABLE github_activity_user (
  login TEXT PRIMARY KEY,
  synced_at TEXT NOT NULL
);
