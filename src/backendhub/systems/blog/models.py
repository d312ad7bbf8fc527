"""What an article, a comment and a profile are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from backendhub.kit.db import derived


class State(StrEnum):
    """Where an article stands; `scheduled` becomes `published` by the clock alone."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as the blog shows them. `following` is about who asks."""

    id: str
    username: str
    bio: str | None
    image: str | None
    following: bool = False


@dataclass(frozen=True, slots=True)
class Article:
    """An article. It is a draft without `publish_at`, and visible to everybody from that moment on.

    `username` and `image` are the author's.
    """

    id: int
    uuid: str
    slug: str
    author_id: str
    title: str
    description: str
    category: str | None
    tags: tuple[str, ...]
    publish_at: datetime | None
    favorites: int
    revision: int
    created_at: datetime
    updated_at: datetime
    username: str = derived("")
    image: str | None = derived()
    body: str = derived("")

    def state(self, now: datetime) -> State:
        """Where it stands at a time."""
        if self.publish_at is None:
            return State.DRAFT
        return State.PUBLISHED if self.publish_at <= now else State.SCHEDULED


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on an article, with its author's profile."""

    id: int
    article_id: int
    author_id: str
    body: str
    created_at: datetime
    updated_at: datetime
    username: str = derived("")
    bio: str | None = derived()
    image: str | None = derived()
    following: bool = derived(False)


class Filter(NamedTuple):
    """Which articles to list; every part that is given must hold. People are named by username or id.

    `text` are words (full text), `term` is any part of title, body or category. `since` is inclusive, `until` is not.
    `feed` are the authors that the viewer follows.
    """

    tag: str | None = None
    author: str | None = None
    favorited: str | None = None
    category: str | None = None
    text: str | None = None
    term: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    state: State = State.PUBLISHED
    owner: str | None = None
    feed: bool = False


class Listing(NamedTuple):
    """A part of the articles that match, each as Conduit's JSON, and how many match in all."""

    entries: list[str]
    total: int
