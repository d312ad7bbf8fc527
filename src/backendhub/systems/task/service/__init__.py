"""The rules of tasks. Every function takes the transaction first and is called alike by terminal, API and jobs."""

from __future__ import annotations

from .reading import (
    PENDING,
    SORT_KEYS,
    Detail,
    count,
    detail,
    due_within,
    find,
    find_all,
    get,
    next_up,
    rank_all,
    require,
    stats,
    tag_counts,
)
from .rules import MAX_DESCRIPTION, MAX_TAG, wanted
from .writing import Completed, add, add_drafts, add_note, complete, edit, remove, start, stop

__all__ = [
    "MAX_DESCRIPTION",
    "MAX_TAG",
    "PENDING",
    "SORT_KEYS",
    "Completed",
    "Detail",
    "add",
    "add_drafts",
    "add_note",
    "complete",
    "count",
    "detail",
    "due_within",
    "edit",
    "find",
    "find_all",
    "get",
    "next_up",
    "rank_all",
    "remove",
    "require",
    "start",
    "stats",
    "stop",
    "tag_counts",
    "wanted",
]
