-- needs: ledger jobs outbox idempotency
-- Every object of the wire is a row: `name` is its id there, `data` what is sent, `status` where its state machine is.
CREATE TABLE payment_object (
  id {pk},
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  created BIGINT NOT NULL,
  status TEXT,
  deleted BOOLEAN NOT NULL,
  data TEXT NOT NULL,
  UNIQUE (kind, name)
);
CREATE INDEX payment_object_page ON payment_object (kind, created, id) WHERE NOT deleted;
CREATE INDEX payment_object_name ON payment_object (name);

-- What lists filter by and searches look at: one row for each value of a field.
CREATE TABLE payment_field (
  object_id BIGINT NOT NULL REFERENCES payment_object (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  number BIGINT,
  PRIMARY KEY (object_id, field, value)
);
CREATE INDEX payment_field_value ON payment_field (kind, field, value, object_id);
CREATE INDEX payment_field_number ON payment_field (kind, field, number, object_id) WHERE number IS NOT NULL;

-- The money of a charge, guarded by the database whatever the code does.
CREATE TABLE payment_charged (
  charge TEXT PRIMARY KEY,
  currency TEXT NOT NULL,
  authorized BIGINT NOT NULL CHECK (authorized > 0),
  captured BIGINT NOT NULL CHECK (captured >= 0),
  refunded BIGINT NOT NULL CHECK (refunded >= 0),
  CHECK (captured <= authorized),
  CHECK (refunded <= captured)
);

-- Which endpoint of the outbox a webhook endpoint of the wire is.
CREATE TABLE payment_place (
  endpoint TEXT PRIMARY KEY,
  place TEXT NOT NULL UNIQUE
);
