"""Sample data: a small magazine, as tutorials of json-server have it, with enough rows to page through."""

from __future__ import annotations

from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.resources import service
from backendhub.kit.resources.models import Rules

from .config import DEFAULT

TITLES = (
    "Why your queue is never empty", "A database is a tree of promises", "Ten kinds of cache, one kind of bug",
    "Reading a query plan aloud", "What the clock does not know", "Small tables, large questions",
    "Backpressure for beginners", "The log is the truth", "Idempotent by accident", "A short history of locks",
    "Pages that do not move", "When to say 409", "Keys nobody guesses", "How to lose an update", "Time in UTC",
)  # fmt: skip
TAGS = ("databases", "caching", "http", "time", "queues")
PEOPLE = (("Ada", "ada@example.com"), ("Grace", "grace@example.com"), ("Linus", "linus@example.com"))
REMARKS = ("I had this bug yesterday.", "Is there a benchmark?", "Thank you!", "See RFC 9110 for more.")


def load(db: Db) -> int:
    """Fills the default set, unless there is something in it. Gives the number of rows."""
    existing = service.find_set(db, DEFAULT)
    if existing is not None and service.resources(db, existing.id):
        return 0
    loaded = service.load(db, DEFAULT, data(), Rules())
    return sum(count for _, count in service.sizes(db, loaded.id))


def data() -> dict[str, Any]:
    """Users, posts, comments, and a profile."""
    posts = [
        {
            "id": i + 1,
            "title": title,
            "views": (i * 7919) % 1000,
            "published": i % 4 != 3,
            "tags": [TAGS[i % len(TAGS)], TAGS[(i * 3 + 1) % len(TAGS)]],
            "author": {"name": PEOPLE[i % len(PEOPLE)][0]},
            "userId": i % len(PEOPLE) + 1,
            "createdAt": f"2026-01-{i + 1:02d}T09:00:00Z",
        }
        for i, title in enumerate(TITLES)
    ]
    comments = [
        {
            "id": i + 1,
            "text": REMARKS[i % len(REMARKS)],
            "postId": i % len(posts) + 1,
            "userId": i % len(PEOPLE) + 1,
        }
        for i in range(2 * len(posts))
    ]
    users = [{"id": i + 1, "name": name, "email": email} for i, (name, email) in enumerate(PEOPLE)]
    return {
        "users": users,
        "posts": posts,
        "comments": comments,
        "profile": {"name": "The Back End", "founded": 2026},
    }
