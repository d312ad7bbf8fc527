"""Every SQL statement of the blog."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backendhub.kit import search
from backendhub.kit.accounts.users import folded
from backendhub.kit.db import Db, columns, contains
from backendhub.kit.paging import Order, Sort

from .models import Article, Comment, Filter, Profile, State

SORTS = {
    "id": Sort("a.id", lambda a: a.id),
    "publishAt": Sort("a.publish_at", lambda a: stamp(a.publish_at)),
}

SEARCH = search.Index("blog_search", {"title": 4, "tags": 3, "category": 2, "body": 1})

# -- people ------------------------------------------------------------------------------------------------

HANDLE = "coalesce(u.username, u.id)"  # accounts that other systems made may have no username
PERSON = "accounts_user u LEFT JOIN blog_profile p ON p.id = u.id"
FOLLOWS = "EXISTS (SELECT 1 FROM blog_follow w WHERE w.follower_id = :viewer AND w.author_id = u.id)"
PROFILE = f"SELECT u.id, {HANDLE}, p.bio, p.image, {FOLLOWS} FROM {PERSON}"
PROFILE_BY_NAME = f"{PROFILE} WHERE u.username_key = :key OR u.id = :name"
PROFILE_BY_ID = f"{PROFILE} WHERE u.id = :id"
ID_OF = "(SELECT id FROM accounts_user WHERE username_key = :{0}_key OR id = :{0})"

SET_PROFILE = (
    "INSERT INTO blog_profile (id, bio, image) VALUES (:id, :bio, :image) "
    "ON CONFLICT (id) DO UPDATE SET bio = excluded.bio, image = excluded.image"
)
FOLLOW = (
    "INSERT INTO blog_follow (follower_id, author_id, created_at) VALUES (:viewer, :id, :now) "
    "ON CONFLICT DO NOTHING"
)
UNFOLLOW = "DELETE FROM blog_follow WHERE follower_id = :viewer AND author_id = :id"

# -- articles ----------------------------------------------------------------------------------------------

FROM = (
    "FROM blog_article a JOIN accounts_user u ON u.id = a.author_id LEFT JOIN blog_profile p ON p.id = u.id"
)
WHOLE = f"SELECT {columns(Article, 'a')}, {HANDLE}, p.image, a.body {FROM}"
BY_SLUG = f"{WHOLE} WHERE a.slug = :ref"
BY_ID = f"{WHOLE} WHERE a.id = :ref"

DIALECTS = ("sqlite", "postgres")


# Conduit's JSON of an article, written by the database: it takes no longer than reading the columns, and saves making
# objects of them and JSON of the objects, which took three times as long as the whole query.
def _shape(dialect: str, more: str = "") -> str:
    """An expression: an article as `shapes.EntryOut` describes it, and `more`. It is as old as its publication."""
    if dialect == "sqlite":
        object, flag, tags = "json_object", "json(CASE WHEN {} THEN 'true' ELSE 'false' END)", "json(a.tags)"
    else:
        object, flag, tags = "json_build_object", "({})", "CAST(a.tags AS json)"
    latest = "max" if dialect == "sqlite" else "greatest"
    favorited = "EXISTS (SELECT 1 FROM blog_favorite f WHERE f.user_id = :viewer AND f.article_id = a.id)"
    out = "coalesce(a.publish_at, a.created_at)"
    author = f"'username', {HANDLE}, 'bio', p.bio, 'image', p.image, 'following', {flag.format(FOLLOWS)}"
    return (
        f"CAST({object}('slug', a.slug, 'title', a.title, 'description', a.description, 'tagList', {tags}, "
        f"'createdAt', {out}, 'updatedAt', {latest}(a.updated_at, {out}), 'favorited', {flag.format(favorited)}, "
        f"'favoritesCount', a.favorites, 'author', {object}({author}){more}) AS text)"
    )


ENTRY = {d: f"SELECT {_shape(d)} {FROM}" for d in DIALECTS}
_BODY = ", 'body', a.body"
# What is not out yet exists for its author and administrators only.
SHOWN_TO = {
    d: f"SELECT {_shape(d, _BODY)} {FROM} WHERE a.slug = :slug "
    "AND (a.publish_at <= :now OR a.author_id = :viewer OR :admin)"
    for d in DIALECTS
}

NEXT_SLUG = (
    "INSERT INTO blog_slug (base, taken) VALUES (:base, 1) "
    "ON CONFLICT (base) DO UPDATE SET taken = blog_slug.taken + 1 RETURNING taken"
)
CLAIM_SLUG = "INSERT INTO blog_slug (base, taken) VALUES (:slug, 1) ON CONFLICT DO NOTHING"
INSERT = (
    "INSERT INTO blog_article (uuid, slug, author_id, title, description, body, category, tags, publish_at, announced_at, "
    "favorites, revision, created_at, updated_at) VALUES (:uuid, :slug, :author_id, :title, :description, :body, :category, :tags, "
    ":publish_at, NULL, 0, 1, :now, :now) RETURNING id"
)
# Claims an article for a change: whoever comes second waits, and fails where the revision it knew is no longer there.
CLAIM = (
    "UPDATE blog_article SET revision = revision + 1 "
    "WHERE id = :id AND (CAST(:revision AS bigint) IS NULL OR revision = :revision)"
)
DELETE = (
    "DELETE FROM blog_article WHERE id = :id AND (CAST(:revision AS bigint) IS NULL OR revision = :revision)"
)
FAVORITE = (
    "INSERT INTO blog_favorite (user_id, article_id, created_at) VALUES (:viewer, :id, :now) "
    "ON CONFLICT DO NOTHING"
)
UNFAVORITE = "DELETE FROM blog_favorite WHERE user_id = :viewer AND article_id = :id"
ALL_TAGS = (
    "SELECT t.tag, count(*) FROM blog_tag t JOIN blog_article a ON a.id = t.article_id "
    "WHERE a.publish_at <= :now GROUP BY t.tag ORDER BY count(*) DESC, t.tag LIMIT :limit"
)
CATEGORIES = (
    "SELECT category, count(*) FROM blog_article WHERE category IS NOT NULL AND publish_at <= :now "
    "GROUP BY category ORDER BY category LIMIT :limit"
)
PUBLISH_AT = "SELECT publish_at FROM blog_article WHERE id = :id AND announced_at IS NULL"
# Once an article, and only when it is out: whoever changes the row is the one who announces it.
ANNOUNCE = (
    "UPDATE blog_article SET announced_at = :now WHERE id = :id AND announced_at IS NULL AND publish_at <= :now "
    "RETURNING uuid, slug, title, author_id, publish_at"
)

# -- comments ----------------------------------------------------------------------------------------------

COMMENT = (
    f"SELECT {columns(Comment, 'c')}, {HANDLE}, p.bio, p.image, {FOLLOWS} FROM blog_comment c "
    "JOIN accounts_user u ON u.id = c.author_id LEFT JOIN blog_profile p ON p.id = u.id"
)
COMMENTS = f"{COMMENT} WHERE c.article_id = :id ORDER BY c.id DESC LIMIT :limit"
COMMENT_BY_ID = f"{COMMENT} WHERE c.id = :id AND c.article_id = :article_id"
ADD_COMMENT = (
    "INSERT INTO blog_comment (article_id, author_id, body, created_at, updated_at) "
    "VALUES (:article_id, :author_id, :body, :now, :now) RETURNING id"
)
DELETE_COMMENT = "DELETE FROM blog_comment WHERE id = :id"

# -- listings ----------------------------------------------------------------------------------------------

# Any part of a title, a text or a category; PostgreSQL's LIKE minds capitals, SQLite's does not.
TERM = {
    "sqlite": r"(a.title LIKE :term ESCAPE '\' OR a.body LIKE :term ESCAPE '\' OR a.category LIKE :term ESCAPE '\')",
    "postgres": r"(a.title ILIKE :term ESCAPE '\' OR a.body ILIKE :term ESCAPE '\' OR a.category ILIKE :term ESCAPE '\')",
}
STATES = {
    State.PUBLISHED: "a.publish_at <= :now",
    State.SCHEDULED: "a.publish_at > :now",
    State.DRAFT: "a.publish_at IS NULL",
}


def stamp(moment: datetime) -> str:
    """A time as it is stored, for comparing."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def conditions(db: Db, wanted: Filter, viewer: str | None, now: datetime) -> tuple[str, dict[str, Any]]:
    """The WHERE condition of a filter, and its parameters."""
    where, params = [STATES[wanted.state]], {"viewer": viewer, "now": now}
    for column, value in (("category", wanted.category), ("author_id", wanted.owner)):
        if value is not None:
            where.append(f"a.{column} = :{column}")
            params[column] = value
    for name, value in (("author", wanted.author), ("favorited", wanted.favorited)):
        if value is not None:
            params |= {name: value, f"{name}_key": folded(value)}
    if wanted.author is not None:
        where.append(f"a.author_id = {ID_OF.format('author')}")
    if wanted.favorited is not None:
        where.append(
            f"a.id IN (SELECT article_id FROM blog_favorite WHERE user_id = {ID_OF.format('favorited')})"
        )
    if wanted.tag is not None:
        where.append("a.id IN (SELECT article_id FROM blog_tag WHERE tag = :tag)")
        params["tag"] = wanted.tag
    if wanted.feed:
        where.append("a.author_id IN (SELECT author_id FROM blog_follow WHERE follower_id = :viewer)")
    if wanted.since is not None:
        where.append("a.publish_at >= :since")
        params["since"] = wanted.since
    if wanted.until is not None:
        where.append("a.publish_at < :until")
        params["until"] = wanted.until
    if wanted.text is not None:
        found, asked = SEARCH.condition(db, wanted.text, "a.id")
        where.append(found)
        params |= asked
    if wanted.term is not None:
        where.append(TERM[db.dialect])
        params["term"] = contains(wanted.term)
    return " AND ".join(where), params


def select_sql(
    db: Db, head: str, wanted: Filter, by: Order, viewer: str | None, now: datetime, cursor: str | None = None
) -> tuple[str, dict[str, Any]]:
    """A listing in order, and its parameters apart from `:limit` and `:offset`."""
    where, params = conditions(db, wanted, viewer, now)
    if cursor is not None:
        after, keys = by.after(cursor)
        where, params = f"{where} AND {after}", params | keys
    return f"{head} WHERE {where} ORDER BY {by.sql} LIMIT :limit OFFSET :offset", params


def count(db: Db, wanted: Filter, viewer: str | None, now: datetime) -> int:
    """How many articles match."""
    where, params = conditions(db, wanted, viewer, now)
    return int(db.value(f"SELECT count(*) FROM blog_article a WHERE {where}", **params))


def profile(db: Db, name: str, viewer: str | None) -> Profile | None:
    """The person of that username or id."""
    return db.one(Profile, PROFILE_BY_NAME, key=folded(name.strip()), name=name, viewer=viewer)
