"""`/posts`: the same articles in a plain form, and the feeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit import clock, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.kit.output import camel
from backendhub.kit.paging import Page
from backendhub.kit.settings import Settings
from backendhub.kit.web.fields import Cursor, Id, Limit, Match, When

from . import feeds
from .fields import LARGE, About, Body, Filter, Tags, Title, Word
from .models import Article, State
from .models import Filter as Wanted
from .service import articles, guests
from .wire import posts, router

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Post:
    """An article. `status` follows from `publishAt` and the clock."""

    id: int
    title: str
    content: str
    category: str | None
    tags: tuple[str, ...]
    description: str
    slug: str
    author: str
    status: State
    publish_at: datetime | None
    favorites_count: int
    created_at: datetime
    updated_at: datetime


class PostIn(BaseModel):
    """A post to write, or to put in place of another."""

    model_config = ConfigDict(alias_generator=camel, populate_by_name=True)

    title: Title
    content: Body
    category: Word | None = None
    tags: Tags = Field(default=[])
    description: Annotated[About | None, Field(description="Without it, the beginning of the content")] = None
    status: Annotated[
        State | None,
        Field(description="`draft` keeps it to its author, whatever `publishAt` says; `scheduled` needs one"),
    ] = None
    publish_at: Annotated[When | None, Field(description="When it appears; it may lie ahead")] = None


class PostPatch(PostIn):
    """The fields to change; null clears a category and makes a description of the content."""

    title: Title = Field(default_factory=str)
    content: Body = Field(default_factory=str)


def _sent(body: PostIn, *, whole: bool) -> dict[str, Any]:
    """The fields of a body as the service calls them; a `whole` one says with what it leaves out that it is empty,
    except for when it is published."""
    sent = body.model_dump(exclude_unset=True)
    if whole:
        sent = {"category": None, "tags": [], "description": None} | sent
    if "content" in sent:
        sent["body"] = sent.pop("content")
    if (state := sent.pop("status", None)) is not None:
        sent["state"] = state
    if (at := sent.pop("publish_at", None)) is not None:
        sent["publish_at"] = clock.parse(at)
    return sent


def _post(a: Article) -> Post:
    return Post(
        id=a.id,
        title=a.title,
        content=a.body,
        category=a.category,
        tags=a.tags,
        description=a.description,
        slug=a.slug,
        author=a.username,
        status=a.state(clock.precise()),
        publish_at=a.publish_at,
        favorites_count=a.favorites,
        created_at=a.created_at,
        updated_at=a.updated_at,
    )


def _moment(text: str | None) -> datetime | None:
    return clock.parse(text) if text is not None else None


# -- who writes --------------------------------------------------------------------------------------------


def _writer(db: Db, request: web.Request, user: Principal | None) -> Principal:
    """Who writes: the user, or the guest where guests are welcome. Raises Unauthenticated."""
    if user is not None:
        return user
    if not _welcome(request.hub.settings) or _from_elsewhere(request):
        raise Unauthenticated("This needs credentials.", hint="send Authorization: Bearer TOKEN")
    return guests.ensure(db)


def _welcome(settings: Settings) -> bool:
    """Whether guests may write: never where the server asks everybody who they are (`--auth token`)."""
    return settings.get("auth") != "token" and settings.flag("blog.guests")


def _from_elsewhere(request: web.Request) -> bool:
    """Whether the page of another site sent this: whom somebody visits shall not write in their blog."""
    origin = request.header("origin")
    return origin is not None and origin.partition("://")[2] != request.header("host")


def _as(
    db: Db, request: web.Request, user: Principal | None, act: Callable[..., T], *args: Any, **values: Any
) -> T:
    """Acts for the user or the guest; what the guest may not do needs credentials."""
    who = _writer(db, request, user)
    try:
        return act(db, who, *args, **values)
    except Denied:
        if user is None:
            raise Unauthenticated("This is somebody's post.", hint="sign in as its author") from None
        raise


# -- posts -------------------------------------------------------------------------------------------------


@posts.get("/", statuses=(401, 404))
def list_posts(
    db: Db,
    user: web.MaybeUser,
    term: Annotated[Filter, Query(description="Any part of title, content or category")] = None,
    q: Annotated[
        Filter, Query(description='Words of title, tags, category or content: `rust "memory safety" -java`')
    ] = None,
    tag: Filter = None,
    category: Filter = None,
    author: Filter = None,
    status: Annotated[State, Query(description="Drafts and scheduled posts are one's own")] = State.PUBLISHED,
    since: Annotated[When | None, Query(description="Published then or later")] = None,
    until: Annotated[When | None, Query(description="Published before")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[Post]:
    """List posts, the newest first, a page at a time (`Link: rel=next`); `X-Total-Count` says how many there are."""
    wanted = Wanted(
        tag=tag,
        author=author,
        category=category,
        text=q,
        term=term or None,
        since=_moment(since),
        until=_moment(until),
        state=status,
    )
    page = articles.find(db, wanted, who=user, limit=limit, cursor=cursor)
    whole = cursor is None and page.next is None  # then it says itself how many there are
    count = len(page.items) if whole else articles.count(db, wanted, who=user)
    shown = Page([_post(a) for a in page.items], page.next)
    return web.reply(shown, headers={"X-Total-Count": str(count)})


@posts.post("/", status=201, statuses=(401, 403), max_body=LARGE, idempotent=True)
def add_post(db: Db, request: web.Request, user: web.MaybeUser, body: PostIn) -> Post:
    """Write a post. `Idempotency-Key` makes it safe to send again."""
    article = _as(db, request, user, articles.add, **_sent(body, whole=True))
    headers = {"Location": f"{request.prefix}/posts/{article.id}"}
    return web.reply(_post(article), headers=headers, etag=web.etag(article.revision))


@posts.get("/{id}")
def get_post(db: Db, user: web.MaybeUser, id: Id) -> Post:
    """Read a post."""
    article = articles.get(db, id, who=user)
    return web.reply(_post(article), etag=web.etag(article.revision))


@posts.put("/{id}", statuses=(401, 403, 412), max_body=LARGE)
def replace_post(
    db: Db, request: web.Request, user: web.MaybeUser, id: Id, body: PostIn, if_match: Match = None
) -> Post:
    """Put another post in its place: of category, tags and description what is left out is empty.

    `If-Match` with the ETag of an earlier answer makes it fail with 412 where somebody else was faster.
    """
    sent, known = _sent(body, whole=True), web.revision(if_match)
    article = _as(db, request, user, articles.edit, id, sent, if_revision=known)
    return web.reply(_post(article), etag=web.etag(article.revision))


@posts.patch("/{id}", statuses=(401, 403, 412), max_body=LARGE)
def change_post(
    db: Db, request: web.Request, user: web.MaybeUser, id: Id, body: PostPatch, if_match: Match = None
) -> Post:
    """Change a post (JSON Merge Patch); `{"status": "published"}` publishes a draft."""
    sent, known = _sent(body, whole=False), web.revision(if_match)
    article = _as(db, request, user, articles.edit, id, sent, if_revision=known)
    return web.reply(_post(article), etag=web.etag(article.revision))


@posts.delete("/{id}", statuses=(401, 403, 412))
def delete_post(db: Db, request: web.Request, user: web.MaybeUser, id: Id, if_match: Match = None) -> None:
    """Delete a post and what hangs on it."""
    _as(db, request, user, articles.remove, id, if_revision=web.revision(if_match))


@router.get("/tags")
def list_tags(db: Db) -> dict[str, int]:
    """Every tag of published posts and how many have it."""
    return dict(articles.tags(db))


@router.get("/categories")
def list_categories(db: Db) -> dict[str, int]:
    """Every category of published posts and how many are in it."""
    return dict(articles.categories(db))


# -- feeds -------------------------------------------------------------------------------------------------


def _offer(kind: str, name: str, about: str) -> None:
    """Adds the route of the latest posts in one of the formats."""

    def latest(
        db: Db,
        request: web.Request,
        tag: Filter = None,
        category: Filter = None,
        author: Filter = None,
        limit: Limit = 20,
    ) -> web.Reply:
        found = articles.find(db, Wanted(tag=tag, category=category, author=author), limit=limit).items
        body = feeds.write(kind, _feed(kind, request, (category, tag, author)), found)
        return web.Reply(body, etag=web.etag(sha256(body).hexdigest()[:32]), media_type=feeds.MEDIA[kind])

    latest.__name__, latest.__doc__ = name, f"The latest posts as {about}."
    router.get(f"/feed.{kind}", media_type=feeds.MEDIA[kind], heavy=True)(latest)


def _feed(kind: str, request: web.Request, parts: tuple[str | None, ...]) -> feeds.Feed:
    """What a feed says of itself and where it leads."""
    settings, own = request.hub.settings, request.base_url
    site = (settings.get("blog.site") or "").rstrip("/")
    title = settings.get("blog.title") or "Blog"
    query = f"?{request.query}" if request.query else ""
    return feeds.Feed(
        title=" · ".join([title, *(part for part in parts if part)]),
        description=f"The latest posts of {title}",
        home=site or f"{own}/posts",
        url=f"{own}/feed.{kind}{query}",
        base=f"{site or own}/",
        link=(lambda a: f"{site}/article/{a.slug}") if site else (lambda a: f"{own}/posts/{a.id}"),
    )


_offer("rss", "rss", "RSS 2.0")
_offer("atom", "atom", "Atom (RFC 4287)")
_offer("json", "json_feed", "JSON Feed 1.1")
