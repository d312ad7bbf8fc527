"""A bank: customers, accounts, payments, standing orders, statements and consents, on the ledger of the kit."""
