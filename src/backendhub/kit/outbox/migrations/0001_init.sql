-- needs: jobs
-- Events are written with the change that they tell of; the relay makes one job of each for everybody who wants it.
CREATE TABLE outbox_event (
  id {pk},
  uid TEXT NOT NULL UNIQUE,
  topic TEXT NOT NULL,
  key TEXT,
  data TEXT NOT NULL,
  at TEXT NOT NULL,
  traceparent TEXT,
  relayed_at TEXT
);
CREATE INDEX outbox_event_waiting ON outbox_event (id) WHERE relayed_at IS NULL;
CREATE INDEX outbox_event_at ON outbox_event (at, id);
CREATE INDEX outbox_event_topic ON outbox_event (topic, id);

CREATE TABLE outbox_endpoint (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  topics TEXT NOT NULL,
  note TEXT NOT NULL,
  signer TEXT NOT NULL,
  secret TEXT NOT NULL,
  old_secret TEXT,
  old_until TEXT,
  enabled BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  failing_since TEXT,
  disabled_at TEXT,
  reason TEXT
);

-- Every attempt to deliver an event to an endpoint.
CREATE TABLE outbox_delivery (
  id {pk},
  endpoint_id TEXT NOT NULL REFERENCES outbox_endpoint (id) ON DELETE CASCADE,
  event_id BIGINT NOT NULL REFERENCES outbox_event (id) ON DELETE CASCADE,
  job_id BIGINT NOT NULL,
  attempt BIGINT NOT NULL,
  at TEXT NOT NULL,
  ok BOOLEAN NOT NULL,
  status BIGINT,
  ms BIGINT NOT NULL,
  error TEXT,
  answer TEXT
);
CREATE INDEX outbox_delivery_endpoint ON outbox_delivery (endpoint_id, id);
CREATE INDEX outbox_delivery_event ON outbox_delivery (event_id, endpoint_id, ok);
CREATE INDEX outbox_delivery_at ON outbox_delivery (at);

-- What has been received already, by consumer: a message that comes twice is taken once.
CREATE TABLE outbox_inbox (
  consumer TEXT NOT NULL,
  message TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (consumer, message)
);
CREATE INDEX outbox_inbox_at ON outbox_inbox (at);
