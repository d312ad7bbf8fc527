"""Payments on Stripe's wire: customers, payment methods, intents, charges, refunds, disputes, events, over a ledger."""
