-- What credit notes have taken off an invoice, guarded by the database whatever the code does.
CREATE TABLE payment_credited (
  invoice TEXT PRIMARY KEY,
  total BIGINT NOT NULL,
  credited BIGINT NOT NULL CHECK (credited >= 0),
  notes BIGINT NOT NULL,
  CHECK (credited <= total)
);

-- The lines of credit notes as numbers: how much of each line of an invoice was credited.
CREATE TABLE payment_credit (
  id TEXT PRIMARY KEY,
  credit_note TEXT NOT NULL,
  invoice TEXT NOT NULL,
  line TEXT,
  amount BIGINT NOT NULL,
  discount BIGINT NOT NULL,
  tax BIGINT NOT NULL
);
CREATE INDEX payment_credit_invoice ON payment_credit (invoice);
CREATE INDEX payment_credit_note ON payment_credit (credit_note);
