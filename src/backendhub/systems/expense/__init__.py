"""Expenses and income: budgets, recurring entries, many currencies, import and export."""
