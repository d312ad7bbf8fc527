"""The rules of the bank, by what they are about."""
