-- needs: clocks
-- The lines of invoices as numbers, so that the database can add them up.
CREATE TABLE payment_line (
  id TEXT PRIMARY KEY,
  invoice TEXT NOT NULL,
  amount BIGINT NOT NULL,
  discount BIGINT NOT NULL,
  tax BIGINT NOT NULL
);
CREATE INDEX payment_line_invoice ON payment_line (invoice);

-- Every period of a subscription once, with the invoice that bills it.
CREATE TABLE payment_period (
  subscription TEXT NOT NULL,
  starts BIGINT NOT NULL,
  ends BIGINT NOT NULL,
  invoice TEXT NOT NULL,
  PRIMARY KEY (subscription, starts),
  CHECK (ends > starts)
);

-- What meters have counted, once for each identifier.
CREATE TABLE payment_usage (
  identifier TEXT PRIMARY KEY,
  meter TEXT NOT NULL,
  customer TEXT NOT NULL,
  at BIGINT NOT NULL,
  value BIGINT NOT NULL
);
CREATE INDEX payment_usage_window ON payment_usage (meter, customer, at);
