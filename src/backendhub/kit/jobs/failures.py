"""What is written down of a run that failed."""

from __future__ import annotations

import traceback

from backendhub.kit.errors import HubError


class OutOfTime(Exception):
    """A handler took longer than it declares."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"It took longer than {seconds:g} s.")


def told(error: Exception) -> str:
    """What went wrong, for people: one line of an error of ours, the end of the traceback of another."""
    if isinstance(error, OutOfTime):
        return str(error)
    if isinstance(error, HubError):
        return f"{type(error).__name__}: {error.message}"
    lines = traceback.format_exception(error)
    return "".join(lines)[-4000:].strip()
