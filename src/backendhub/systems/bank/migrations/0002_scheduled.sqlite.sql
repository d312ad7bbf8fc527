-- Payments that are made at a time, once: by a third party under a consent of its own kind, or by the customer.
CREATE TABLE bank_scheduled_payment (
  id TEXT PRIMARY KEY, -- of its transfer, too
  account_id TEXT NOT NULL REFERENCES bank_account (id),
  creditor_scheme TEXT NOT NULL,
  creditor_identification TEXT NOT NULL,
  creditor_name TEXT NOT NULL,
  reference TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  due_at TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'paid', 'refused', 'cancelled')),
  reason TEXT, -- why it was refused
  settled_at TEXT, -- when it stopped waiting
  created_at TEXT NOT NULL,
  CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX bank_scheduled_payment_due ON bank_scheduled_payment (due_at, id) WHERE state = 'waiting';
CREATE INDEX bank_scheduled_payment_account ON bank_scheduled_payment (account_id, id);

-- SQLite cannot change a CHECK: consents and what refers to them are made anew.
CREATE TABLE bank_consent_new (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN
    ('account-access', 'domestic-payment', 'domestic-scheduled-payment', 'domestic-standing-order')),
  client TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('AWAU', 'AUTH', 'RJCT', 'CANC', 'COND')),
  permissions TEXT NOT NULL, -- JSON list, of account access
  initiation TEXT, -- JSON, of payments
  risk TEXT NOT NULL,
  more TEXT NOT NULL, -- JSON: what else was sent and is sent back
  expires_at TEXT,
  from_at TEXT,
  to_at TEXT,
  customer_id TEXT REFERENCES bank_customer (id),
  debtor_id TEXT REFERENCES bank_account (id),
  token_hash TEXT UNIQUE,
  key TEXT,
  request_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
INSERT INTO bank_consent_new SELECT id, kind, client, state, permissions, initiation, risk, more, expires_at, from_at, to_at,
  customer_id, debtor_id, token_hash, key, request_hash, created_at, updated_at FROM bank_consent;
CREATE TABLE bank_consent_account_new (
  consent_id TEXT NOT NULL REFERENCES bank_consent_new (id),
  account_id TEXT NOT NULL REFERENCES bank_account (id),
  PRIMARY KEY (consent_id, account_id)
);
INSERT INTO bank_consent_account_new SELECT consent_id, account_id FROM bank_consent_account;
CREATE TABLE bank_order_new (
  id TEXT PRIMARY KEY,
  consent_id TEXT NOT NULL UNIQUE REFERENCES bank_consent_new (id),
  transfer_id TEXT REFERENCES bank_transfer (id),
  standing_order_id TEXT REFERENCES bank_standing_order (id),
  scheduled_payment_id TEXT REFERENCES bank_scheduled_payment (id),
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  CHECK ((transfer_id IS NOT NULL) + (standing_order_id IS NOT NULL) + (scheduled_payment_id IS NOT NULL) = 1)
);
INSERT INTO bank_order_new SELECT id, consent_id, transfer_id, standing_order_id, NULL, key, request_hash, created_at
FROM bank_order;
DROP TABLE bank_order;
DROP TABLE bank_consent_account;
DROP TABLE bank_consent;
ALTER TABLE bank_consent_new RENAME TO bank_consent;
ALTER TABLE bank_consent_account_new RENAME TO bank_consent_account;
ALTER TABLE bank_order_new RENAME TO bank_order;
CREATE UNIQUE INDEX bank_consent_key ON bank_consent (client, kind, key) WHERE key IS NOT NULL;
