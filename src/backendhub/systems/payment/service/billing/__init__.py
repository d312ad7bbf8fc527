"""Billing: catalogue, coupons, taxes, invoices, subscriptions, Checkout, test clocks."""
