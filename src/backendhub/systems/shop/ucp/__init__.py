"""UCP checkout (Universal Commerce Protocol): how agents buy for people."""
