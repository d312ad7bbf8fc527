-- needs: ledger jobs
-- What money does is in the ledger (book `bank`); here is whose it is, and why it moved.
CREATE TABLE bank_customer (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CHECK (name <> ''),
  email TEXT,
  kind TEXT NOT NULL CHECK (kind IN ('personal', 'business')),
  created_at TEXT NOT NULL
);

CREATE TABLE bank_account (
  no {pk}, -- the account number is made of it
  id TEXT NOT NULL UNIQUE,
  customer_id TEXT NOT NULL REFERENCES bank_customer (id),
  ledger_id BIGINT NOT NULL UNIQUE REFERENCES ledger_account (id),
  kind TEXT NOT NULL CHECK (kind IN ('CACC', 'SVGS')),
  currency TEXT NOT NULL,
  sort_code TEXT,
  number TEXT,
  iban TEXT UNIQUE,
  nickname TEXT,
  overdraft BIGINT NOT NULL CHECK (overdraft >= 0),
  closed_at TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (sort_code, number)
);
CREATE INDEX bank_account_customer ON bank_account (customer_id, no);

-- One row for each transfer of the ledger that has to do with a customer; its id is the transfer's.
CREATE TABLE bank_transfer (
  id TEXT PRIMARY KEY REFERENCES ledger_transfer (id),
  kind TEXT NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'transfer', 'payment', 'standing-order')),
  debtor_id TEXT REFERENCES bank_account (id),
  creditor_id TEXT REFERENCES bank_account (id),
  creditor_scheme TEXT,
  creditor_identification TEXT,
  creditor_name TEXT,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  reference TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX bank_transfer_debtor ON bank_transfer (debtor_id, id);
CREATE INDEX bank_transfer_creditor ON bank_transfer (creditor_id, id);

CREATE TABLE bank_beneficiary (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES bank_account (id),
  name TEXT NOT NULL,
  scheme TEXT NOT NULL,
  identification TEXT NOT NULL,
  reference TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (account_id, scheme, identification)
);

-- The n-th payment is made on `first_on` plus n periods, and has the transfer id `<id>:<n>`: once, whoever runs it.
CREATE TABLE bank_standing_order (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES bank_account (id),
  creditor_scheme TEXT NOT NULL,
  creditor_identification TEXT NOT NULL,
  creditor_name TEXT NOT NULL,
  reference TEXT NOT NULL,
  currency TEXT NOT NULL,
  first_amount BIGINT NOT NULL CHECK (first_amount > 0),
  recurring_amount BIGINT NOT NULL CHECK (recurring_amount > 0),
  final_amount BIGINT CHECK (final_amount > 0),
  frequency TEXT NOT NULL CHECK (frequency IN ('DAIL', 'WEEK', 'FRTN', 'MNTH', 'QURT', 'MIAN', 'YEAR')),
  first_on TEXT NOT NULL,
  payments BIGINT CHECK (payments > 0), -- how many in all; NULL: until cancelled
  last_on TEXT,
  made BIGINT NOT NULL CHECK (made >= 0), -- occurrences that are over, paid or refused
  refused BIGINT NOT NULL CHECK (refused >= 0),
  next_on TEXT, -- NULL when it is over
  paid_at TEXT,
  paid_amount BIGINT,
  state TEXT NOT NULL CHECK (state IN ('active', 'cancelled', 'completed')),
  created_at TEXT NOT NULL
);
CREATE INDEX bank_standing_order_due ON bank_standing_order (next_on) WHERE state = 'active';
CREATE INDEX bank_standing_order_account ON bank_standing_order (account_id, id);

-- What a third party may do, once the customer has said so. `token_hash` is of the token that it acts with.
CREATE TABLE bank_consent (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('account-access', 'domestic-payment', 'domestic-standing-order')),
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
CREATE UNIQUE INDEX bank_consent_key ON bank_consent (client, kind, key) WHERE key IS NOT NULL;
CREATE TABLE bank_consent_account (
  consent_id TEXT NOT NULL REFERENCES bank_consent (id),
  account_id TEXT NOT NULL REFERENCES bank_account (id),
  PRIMARY KEY (consent_id, account_id)
);

-- A consent to pay is used once.
CREATE TABLE bank_order (
  id TEXT PRIMARY KEY,
  consent_id TEXT NOT NULL UNIQUE REFERENCES bank_consent (id),
  transfer_id TEXT REFERENCES bank_transfer (id),
  standing_order_id TEXT REFERENCES bank_standing_order (id),
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  created_at TEXT NOT NULL,
  CHECK ((transfer_id IS NULL) <> (standing_order_id IS NULL))
);
