"""The rules of backup: targets, runs, restores, care of the repository."""
