-- Where events also leave this store, on a bus (Redis Streams, RabbitMQ, NATS JetStream): who this store is there.
CREATE TABLE outbox_bus (id TEXT PRIMARY KEY, at TEXT NOT NULL);

-- What is still to be sent, in the order in which it was handed on.
CREATE TABLE outbox_sending (
  id {pk},
  event_id BIGINT NOT NULL UNIQUE REFERENCES outbox_event (id) ON DELETE CASCADE
);

-- Who sends, and who reads which partition how far: one process each, under a lease that its transactions check.
CREATE TABLE outbox_lease (name TEXT PRIMARY KEY, owner TEXT, until TEXT NOT NULL, position TEXT NOT NULL);
CREATE TABLE outbox_reader (id TEXT PRIMARY KEY, until TEXT NOT NULL);
