"""Guess the number: seeded and daily games, hints, stats, streaks, and the machine guessing yours."""
