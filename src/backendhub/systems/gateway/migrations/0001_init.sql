-- The configuration that was sent to the Admin API; where files are served, the files are the configuration.
CREATE TABLE gateway_config (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  config TEXT NOT NULL,
  revision BIGINT NOT NULL,
  updated_at TEXT NOT NULL
);
