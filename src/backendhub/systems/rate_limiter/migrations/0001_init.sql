-- Domains that were configured through the API; where files are served, the files are the configuration.
CREATE TABLE rate_limiter_domain (
  domain TEXT PRIMARY KEY,
  config TEXT NOT NULL,
  revision BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

-- One row: what every process looks at to see that there is something new.
CREATE TABLE rate_limiter_revision (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  revision BIGINT NOT NULL
);

INSERT INTO rate_limiter_revision (id, revision) VALUES (1, 0);
