-- Own history of stars, because GitHub offers none. Not undoable: measurements, not a user's work.
CREATE TABLE trending_repo (
  repo TEXT PRIMARY KEY,
  description TEXT,
  language TEXT,
  topics TEXT NOT NULL,
  url TEXT NOT NULL,
  created_at TEXT NOT NULL
);

CREATE TABLE trending_snapshot (
  repo TEXT NOT NULL REFERENCES trending_repo (repo) ON DELETE CASCADE,
  taken_at TEXT NOT NULL,
  stars BIGINT NOT NULL,
  forks BIGINT NOT NULL,
  PRIMARY KEY (repo, taken_at)
);
CREATE INDEX trending_snapshot_taken ON trending_snapshot (taken_at);

-- What `--new` has shown, by question.
CREATE TABLE trending_seen (
  question TEXT NOT NULL,
  repo TEXT NOT NULL,
  seen_at TEXT NOT NULL,
  PRIMARY KEY (question, repo)
);
