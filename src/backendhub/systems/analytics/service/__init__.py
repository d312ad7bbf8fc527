"""The rules of analytics: coming in, digesting, asking."""
