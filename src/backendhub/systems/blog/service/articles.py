"""Articles: written, listed, changed, favourited. Callers name one by its slug or by its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit import clock, ids, jobs, outbox, paging
from backendhub.kit.db import Db
from backendhub.kit.errors import PreconditionFailed, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.systems.blog import markdown, slugs, store
from backendhub.systems.blog.models import Article, Filter, Listing, State

from .rules import (
    ADMIN,
    MAX_ABOUT,
    MAX_TAGS,
    MAX_TEXT,
    MAX_TITLE,
    MAX_WORD,
    bad,
    missing,
    owns,
    refused,
    require_writer,
    while_there,
    word,
)
from .rules import text as checked

Ref = str | int
NEWEST = paging.order("-publishAt", store.SORTS)
LATEST_DRAFT = paging.order("-id", store.SORTS)
MAX_PAGE = 100
MAX_TAGS_SHOWN = 1_000


# -- reading -----------------------------------------------------------------------------------------------


def get(db: Db, ref: Ref, *, who: Principal | None = None) -> Article:
    """One article. Those that are not out yet exist for their author and administrators only. Raises NotFound."""
    article = _stored(db, ref)
    if article is None or not (_is_out(article) or owns(who, article.author_id)):
        raise missing("article", ref)
    return article


def find(
    db: Db,
    wanted: Filter = Filter(),
    *,
    who: Principal | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> paging.Page[Article]:
    """A page of articles, the newest first. Raises NotFound for a foreign cursor, and Unauthenticated for drafts,
    scheduled articles or a feed of nobody."""
    by, now = _order(wanted), clock.precise()
    sql, params = store.select_sql(db, store.WHOLE, _seen_by(wanted, who), by, _id(who), now, cursor)
    return paging.page(db.all(Article, sql, **params, limit=limit + 1, offset=0), limit, by)


def count(db: Db, wanted: Filter = Filter(), *, who: Principal | None = None) -> int:
    """How many articles match. Raises Unauthenticated as `find` does."""
    return store.count(db, _seen_by(wanted, who), _id(who), clock.precise())


def shown(db: Db, slug: str, *, who: Principal | None = None) -> str:
    """One article as Conduit's JSON. Raises NotFound as `get` does."""
    admin = who is not None and who.is_(ADMIN)
    text: str | None = db.value(
        store.SHOWN_TO[db.dialect], slug=slug, viewer=_id(who), admin=admin, now=clock.precise()
    )
    if text is None:
        raise missing("article", slug)
    return text


def listed(
    db: Db, wanted: Filter = Filter(), *, who: Principal | None = None, limit: int = 20, offset: int = 0
) -> Listing:
    """Articles by offset as Conduit's JSON, without their texts, the newest first (two statements).

    `limit` is cut to 100. Raises Unauthenticated as `find` does.
    """
    wanted, now, limit = _seen_by(wanted, who), clock.precise(), min(limit, MAX_PAGE)
    sql, params = store.select_sql(db, store.ENTRY[db.dialect], wanted, _order(wanted), _id(who), now)
    rows = db.fetch(sql, {**params, "limit": limit, "offset": offset})
    # A first page that is not full says itself how many there are.
    full = bool(offset) or len(rows) == limit
    return Listing([row[0] for row in rows], store.count(db, wanted, _id(who), now) if full else len(rows))


def tags(db: Db) -> list[tuple[str, int]]:
    """The tags of published articles and how many have them, the most used first."""
    rows = db.fetch(store.ALL_TAGS, {"now": clock.precise(), "limit": MAX_TAGS_SHOWN})
    return [(row[0], row[1]) for row in rows]


def categories(db: Db) -> list[tuple[str, int]]:
    """The categories of published articles and how many are in them."""
    rows = db.fetch(store.CATEGORIES, {"now": clock.precise(), "limit": MAX_TAGS_SHOWN})
    return [(row[0], row[1]) for row in rows]


def _seen_by(wanted: Filter, who: Principal | None) -> Filter:
    """What is not out is listed to its author, and to administrators."""
    if wanted.state is State.PUBLISHED and not wanted.feed:
        return wanted
    if who is None:
        raise Unauthenticated("Drafts and feeds are somebody's own.", hint="send a token")
    if wanted.state is State.PUBLISHED or who.is_(ADMIN):
        return wanted
    return wanted._replace(owner=who.id)


def _order(wanted: Filter) -> paging.Order:
    return LATEST_DRAFT if wanted.state is State.DRAFT else NEWEST


def _is_out(article: Article) -> bool:
    return article.state(clock.precise()) is State.PUBLISHED


def _id(who: Principal | None) -> str | None:
    return who.id if who is not None else None


def _stored(db: Db, ref: Ref) -> Article | None:
    return db.one(Article, store.BY_SLUG if isinstance(ref, str) else store.BY_ID, ref=ref)


# -- writing -----------------------------------------------------------------------------------------------


def add(
    db: Db,
    who: Principal,
    *,
    title: str,
    body: str,
    description: str | None = None,
    category: str | None = None,
    tags: Sequence[str] = (),
    state: State | None = None,
    publish_at: datetime | None = None,
) -> Article:
    """Writes an article, published at once unless `state` is draft or `publish_at` lies ahead.

    Without a description it gets the beginning of its text. Raises Denied for readers, and Invalid.
    """
    require_writer(who)
    now = clock.precise()
    values: dict[str, Any] = {
        "uuid": ids.uuid7(),
        "author_id": who.id,
        "title": checked("title", title, MAX_TITLE),
        "body": checked("body", body, MAX_TEXT),
        "category": word("category", category),
        "tags": _tags(tags),
        "publish_at": _publish_at(state, publish_at, None, now),
        "now": now,
    }
    values["description"] = (
        markdown.excerpt(body) if description is None else checked("description", description, MAX_ABOUT)
    )
    id = int(db.value(store.INSERT, slug=_free_slug(db, slugs.slug(title)), **values))
    announce(db, id)
    return _whole(db, id)


def edit(
    db: Db, who: Principal, ref: Ref, changes: Mapping[str, Any], *, if_revision: int | None = None
) -> Article:
    """Changes fields of an article: its author may, and administrators. What is not named stays.

    A new title brings a new slug; `description: None` makes one of the text. Raises NotFound, Denied, Invalid, and
    PreconditionFailed where the article is no longer at `if_revision`.
    """
    article = _own(db, who, ref)
    if not db.run(store.CLAIM, id=article.id, revision=if_revision):
        raise _stale(db, article)
    now = clock.precise()
    values = _changes(article, changes, now)
    if "title" in values and not slugs.is_of(article.slug, slugs.slug(values["title"])):
        values["slug"] = _free_slug(db, slugs.slug(values["title"]))
    later = article.updated_at + timedelta(milliseconds=1)  # two changes never have the same time
    db.update(Article, "blog_article", article.id, **values, updated_at=max(now, later))
    if "publish_at" in values:
        announce(db, article.id)
    return _whole(db, article.id)


def remove(db: Db, who: Principal, ref: Ref, *, if_revision: int | None = None) -> None:
    """Deletes an article with its comments, favourites and tags. Raises NotFound, Denied, PreconditionFailed."""
    article = _own(db, who, ref)
    if not db.run(store.DELETE, id=article.id, revision=if_revision):
        raise _stale(db, article)


def announce(db: Db, id: int) -> bool:
    """Publishes the event `blog.published` of an article that is out, once; where it is not yet, a job does it then.

    No reader waits for this: an article is visible from its time on.
    """
    now = clock.precise()
    rows = db.fetch(store.ANNOUNCE, {"id": id, "now": now})
    if rows:
        uuid, slug, title, author, at = rows[0]
        about = {"id": id, "uuid": uuid, "slug": slug, "title": title, "author": author, "publishAt": at}
        outbox.publish(db, "blog.published", about, key=uuid)
        return True
    due = db.value(store.PUBLISH_AT, id=id)
    if due is not None and (at := clock.parse(due)) > now:
        jobs.enqueue(db, "blog.announce", at=at, unique=str(id), id=id)
    return False


def favorite(db: Db, who: Principal, slug: str) -> None:
    """Marks an article as a favourite; once more changes nothing. Raises NotFound."""
    article = get(db, slug, who=who)
    with while_there("article", slug):
        db.run(store.FAVORITE, viewer=who.id, id=article.id, now=clock.precise())


def unfavorite(db: Db, who: Principal, slug: str) -> None:
    """Takes the mark away again. Raises NotFound."""
    db.run(store.UNFAVORITE, viewer=who.id, id=get(db, slug, who=who).id)


def _whole(db: Db, id: int) -> Article:
    article = _stored(db, id)
    if article is None:  # deleted by somebody else in between
        raise missing("article", id)
    return article


def _own(db: Db, who: Principal, ref: Ref) -> Article:
    article = get(db, ref, who=who)
    if not owns(who, article.author_id):
        raise refused("article", "This is somebody else's article.")
    return article


def _stale(db: Db, article: Article) -> Exception:
    if _stored(db, article.id) is None:
        return missing("article", article.slug)
    return PreconditionFailed(
        "The article was changed in the meantime.", hint="read it again, then change it"
    )


def _changes(article: Article, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The columns that a change sets."""
    values: dict[str, Any] = {}
    for field, longest in (("title", MAX_TITLE), ("body", MAX_TEXT), ("description", MAX_ABOUT)):
        if changes.get(field) is not None:
            values[field] = checked(field, changes[field], longest)
        elif field in changes and field != "description":
            raise bad(field, "blank", "can't be blank")
    if "description" in changes and changes["description"] is None:
        values["description"] = markdown.excerpt(values.get("body") or article.body)
    if "category" in changes:
        values["category"] = word("category", changes["category"])
    if "tags" in changes:
        values["tags"] = _tags(changes["tags"])
    if "state" in changes or "publish_at" in changes:
        values["publish_at"] = _publish_at(
            changes.get("state"), changes.get("publish_at"), article.publish_at, now
        )
    return values


def _publish_at(
    state: State | None, at: datetime | None, before: datetime | None, now: datetime
) -> datetime | None:
    """When an article is out: at the time given, else at once; never for a draft; where it already is, it stays."""
    if state is State.DRAFT:
        return None
    if at is not None:
        return at
    if state is State.SCHEDULED:
        if before is not None and before > now:
            return before
        raise bad("publishAt", "missing", "can't be blank")
    return before if before is not None and before <= now else now


def _free_slug(db: Db, base: str) -> str:
    """The next slug of `base`, taken for good: two who ask at once take turns at its counter."""
    while True:
        number = db.value(store.NEXT_SLUG, base=base)
        if number == 1 and base not in slugs.RESERVED:
            return base
        candidate = f"{base}-{number}"
        if db.run(store.CLAIM_SLUG, slug=candidate):  # else a title was spelt just like that
            return candidate


def _tags(tags: Sequence[str]) -> list[str]:
    """Tags without white space around them and without repetitions, in their order. Raises Invalid."""
    cleaned = list(dict.fromkeys(tag.strip() for tag in tags))
    if len(cleaned) > MAX_TAGS:
        raise bad("tagList", "too_long", f"is too long (maximum is {MAX_TAGS} tags)")
    for tag in cleaned:
        checked("tagList", tag, MAX_WORD)
    return cleaned
