-- `owner` is '' for the person at this terminal and a user's id where the API has users.
CREATE TABLE expense (
  id {pk},
  owner TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('expense', 'income', 'refund')),
  date TEXT NOT NULL,
  description TEXT NOT NULL CHECK (description <> ''),
  payee TEXT NOT NULL, -- the description without numbers and signs: who was paid
  minor BIGINT NOT NULL CHECK (minor > 0),
  currency TEXT NOT NULL,
  category TEXT NOT NULL,
  category_source TEXT NOT NULL,
  recur_id BIGINT,
  import_fp TEXT, -- what the row was when it was imported, whatever became of it since
  revision BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX expense_date ON expense (owner, date, id);
-- Holds all that a summary reads, so that the table itself is left alone.
CREATE INDEX expense_report ON expense (owner, category, currency, kind, date, minor);
-- What the categoriser learns from, latest first, however many guessed rows lie between.
CREATE INDEX expense_decided ON expense (owner, id) WHERE category_source IN ('explicit', 'rule');
CREATE INDEX expense_payee ON expense (owner, payee, category);

CREATE TABLE expense_budget (
  id {pk},
  owner TEXT NOT NULL,
  category TEXT NOT NULL, -- '' for all of them
  every TEXT NOT NULL,
  anchor TEXT NOT NULL,
  minor BIGINT NOT NULL CHECK (minor > 0),
  currency TEXT NOT NULL,
  rollover BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (owner, category, every, currency)
);

CREATE TABLE expense_recur (
  id {pk},
  owner TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('expense', 'income', 'refund')),
  description TEXT NOT NULL CHECK (description <> ''),
  minor BIGINT NOT NULL CHECK (minor > 0),
  currency TEXT NOT NULL,
  category TEXT,
  every TEXT NOT NULL,
  anchor TEXT NOT NULL,
  until TEXT,
  created_at TEXT NOT NULL
);
CREATE INDEX expense_recur_owner ON expense_recur (owner, id);

-- One row for each date that was entered: running twice enters nothing twice, even after a deletion.
CREATE TABLE expense_recur_done (
  recur_id BIGINT NOT NULL REFERENCES expense_recur (id) ON DELETE CASCADE,
  date TEXT NOT NULL,
  expense_id BIGINT NOT NULL,
  PRIMARY KEY (recur_id, date)
);

CREATE TABLE expense_rule (
  id {pk},
  owner TEXT NOT NULL,
  pattern TEXT NOT NULL,
  category TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX expense_rule_owner ON expense_rule (owner, id);
-- undo: expense expense_budget expense_recur expense_recur_done expense_rule
