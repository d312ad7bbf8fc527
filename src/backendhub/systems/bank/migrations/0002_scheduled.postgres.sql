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

ALTER TABLE bank_consent DROP CONSTRAINT bank_consent_kind_check;
ALTER TABLE bank_consent ADD CONSTRAINT bank_consent_kind_check CHECK (kind IN
  ('account-access', 'domestic-payment', 'domestic-scheduled-payment', 'domestic-standing-order'));
ALTER TABLE bank_order ADD COLUMN scheduled_payment_id TEXT REFERENCES bank_scheduled_payment (id);
ALTER TABLE bank_order DROP CONSTRAINT bank_order_check;
ALTER TABLE bank_order ADD CONSTRAINT bank_order_check CHECK
  (num_nonnulls(transfer_id, standing_order_id, scheduled_payment_id) = 1);
