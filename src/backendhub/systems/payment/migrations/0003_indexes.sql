-- Which periods an invoice bills: a check asks it for each of them.
CREATE INDEX payment_period_invoice ON payment_period (invoice);
