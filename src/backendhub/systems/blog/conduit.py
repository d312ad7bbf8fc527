"""RealWorld's Conduit (`/api`): users, profiles, articles, comments, favourites, tags."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from backendhub.kit import accounts, web
from backendhub.kit.db import Db
from backendhub.kit.errors import Unauthenticated
from backendhub.kit.hub import Hub
from backendhub.kit.identity import Principal
from backendhub.kit.web.fields import MAX_ID

from . import shapes
from .fields import LARGE, Count, Filter, Name, Offset, Slug
from .models import Filter as Wanted
from .service import articles, comments, people
from .service.rules import WRITER, bad
from .wire import conduit as api

# -- users -------------------------------------------------------------------------------------------------


def _signed_in(db: Db, hub: Hub, user: accounts.User) -> shapes.UserOf:
    """A token that lasts as long as its session: Conduit has no way to ask for the next one."""
    lifetime = accounts.of(hub).sessions.lifetime_s
    grant = accounts.sign_in(db, hub, user, lifetime_s=lifetime, idle_s=0)
    return shapes.user(user, people.of(db, user.id), grant.access_token)


def _register(db: Db, hub: Hub, new: shapes.NewUser, password_hash: str) -> shapes.UserOf:
    user = accounts.add(
        db, email=new.email, username=new.username, password_hash=password_hash, roles=[WRITER]
    )
    return _signed_in(db, hub, user)


@api.post("/users", status=201, statuses=(403, 409, 429), public=True)
async def register(request: web.Request, body: shapes.NewUserIn) -> shapes.UserOf:
    """Make an account and sign in to it."""
    hub = request.hub
    await accounts.registering(request)
    hub.passwords.check(body.user.password, body.user.email, known=accounts.strict(hub.settings))
    return await request.call(_register, hub, body.user, await hub.passwords.ahash(body.user.password))


@api.post("/users/login", statuses=(401, 429), public=True)
async def login(request: web.Request, body: shapes.LoginIn) -> shapes.UserOf:
    """Sign in."""
    user = await accounts.verified(request, body.user.email, body.user.password, find=accounts.by_email)
    return await request.call(_signed_in, request.hub, user)


def _token(request: web.Request) -> str:
    """The token that the request came with."""
    return (request.header("authorization") or "").partition(" ")[2].strip()


@api.get("/user")
def current_user(db: Db, request: web.Request, user: web.CurrentUser) -> shapes.UserOf:
    """Who am I?"""
    return shapes.user(accounts.get(db, user.id), people.of(db, user.id), _token(request))


def _session(db: Db, request: web.Request) -> str:
    """The session of the token that the request came with; none where it came with an API key or a cookie."""
    try:
        return accounts.of(request.hub).tokens.verify(db, _token(request)).session or ""
    except Unauthenticated:
        return ""


def _change(
    db: Db, request: web.Request, id: str, sent: dict[str, Any], password_hash: str | None
) -> shapes.UserOf:
    named: Any = {name: sent[name] for name in ("username", "email") if name in sent}
    user = accounts.edit(db, id, **named) if named else accounts.get(db, id)
    shown = {name: sent[name] for name in ("bio", "image") if name in sent}
    if shown:
        people.edit(db, id, **shown)
    if password_hash is not None:
        accounts.users.set_hash(db, id, password_hash)
        accounts.sessions.end_all(db, id, but=_session(db, request), by="password")
    return shapes.user(user, people.of(db, id), _token(request))


async def _present(request: web.Request, id: str, given: str | None, *, asked: bool) -> None:
    """Raises Invalid unless the present password is right, where it is sent or asked for."""
    if given is None and asked:
        raise bad("currentPassword", "missing", "can't be blank")
    if given is not None and not await accounts.present(request, id, given):
        raise bad("currentPassword", "wrong", "is wrong")


@api.put("/user", statuses=(409, 429))
async def change_user(
    request: web.Request, user: web.CurrentUser, body: shapes.UserChangeIn
) -> shapes.UserOf:
    """Change one's name, address, password, bio or picture. A new password ends one's other sessions;
    where the server is strict it needs `currentPassword`."""
    sent = body.user.model_dump(exclude_unset=True)
    password_hash = None
    given = sent.pop("current_password", None)
    if password := sent.pop("password", None):
        strict = accounts.strict(request.hub.settings)
        await _present(request, user.id, given, asked=strict)
        request.hub.passwords.check(password, known=strict)
        password_hash = await request.hub.passwords.ahash(password)
    return await request.call(_change, request, user.id, sent, password_hash)


# -- profiles ----------------------------------------------------------------------------------------------


def _id(user: Principal | None) -> str | None:
    return user.id if user is not None else None


@api.get("/profiles/{username}")
def get_profile(db: Db, user: web.MaybeUser, username: Name) -> shapes.ProfileOf:
    """Read somebody's profile."""
    return shapes.profile(people.get(db, username, viewer=_id(user)))


@api.post("/profiles/{username}/follow")
def follow(db: Db, user: web.CurrentUser, username: Name) -> shapes.ProfileOf:
    """Follow somebody."""
    return shapes.profile(people.follow(db, user, username))


@api.delete("/profiles/{username}/follow", status=200)
def unfollow(db: Db, user: web.CurrentUser, username: Name) -> shapes.ProfileOf:
    """Follow somebody no longer."""
    return shapes.profile(people.unfollow(db, user, username))


# -- articles ----------------------------------------------------------------------------------------------


@api.get("/articles")
def list_articles(
    db: Db,
    user: web.MaybeUser,
    tag: Filter = None,
    author: Filter = None,
    favorited: Filter = None,
    limit: Count = 20,
    offset: Offset = 0,
) -> shapes.ArticlesOf:
    """List articles, the newest first, without their texts."""
    wanted = Wanted(tag=tag, author=author, favorited=favorited)
    return shapes.articles(articles.listed(db, wanted, who=user, limit=limit, offset=offset))


@api.get("/articles/feed")
def feed(db: Db, user: web.CurrentUser, limit: Count = 20, offset: Offset = 0) -> shapes.ArticlesOf:
    """List articles of the authors that one follows."""
    return shapes.articles(articles.listed(db, Wanted(feed=True), who=user, limit=limit, offset=offset))


@api.post("/articles", status=201, statuses=(403,), max_body=LARGE, idempotent=True)
def add_article(db: Db, user: web.CurrentUser, body: shapes.NewArticleIn) -> shapes.ArticleOf:
    """Write an article. Equal titles are no matter: each gets a slug of its own."""
    made = articles.add(db, user, **shapes.sent(body.article))
    return shapes.article(articles.shown(db, made.slug, who=user))


@api.get("/articles/{slug}")
def get_article(db: Db, user: web.MaybeUser, slug: Slug) -> shapes.ArticleOf:
    """Read an article."""
    return shapes.article(articles.shown(db, slug, who=user))


@api.put("/articles/{slug}", statuses=(403,), max_body=LARGE)
def change_article(
    db: Db, user: web.CurrentUser, slug: Slug, body: shapes.ArticleChangeIn
) -> shapes.ArticleOf:
    """Change an article of one's own; a new title brings a new slug."""
    changed = articles.edit(db, user, slug, shapes.sent(body.article))
    return shapes.article(articles.shown(db, changed.slug, who=user))


@api.delete("/articles/{slug}", statuses=(403,))
def delete_article(db: Db, user: web.CurrentUser, slug: Slug) -> None:
    """Delete an article of one's own with its comments; administrators delete any."""
    articles.remove(db, user, slug)


@api.post("/articles/{slug}/favorite")
def favorite(db: Db, user: web.CurrentUser, slug: Slug) -> shapes.ArticleOf:
    """Mark an article as a favourite."""
    articles.favorite(db, user, slug)
    return shapes.article(articles.shown(db, slug, who=user))


@api.delete("/articles/{slug}/favorite", status=200)
def unfavorite(db: Db, user: web.CurrentUser, slug: Slug) -> shapes.ArticleOf:
    """Take the mark away."""
    articles.unfavorite(db, user, slug)
    return shapes.article(articles.shown(db, slug, who=user))


# -- comments and tags -------------------------------------------------------------------------------------


@api.get("/articles/{slug}/comments")
def list_comments(db: Db, user: web.MaybeUser, slug: Slug) -> shapes.CommentsOf:
    """Read an article's comments, the latest first."""
    return shapes.comments(comments.find(db, slug, who=user))


@api.post("/articles/{slug}/comments", status=201, idempotent=True)
def add_comment(db: Db, user: web.CurrentUser, slug: Slug, body: shapes.NewCommentIn) -> shapes.CommentOf:
    """Comment on an article."""
    return shapes.comment(comments.add(db, user, slug, body.comment.body))


@api.delete("/articles/{slug}/comments/{id}", statuses=(403,))
def delete_comment(
    db: Db, user: web.CurrentUser, slug: Slug, id: Annotated[int, Path(ge=1, le=MAX_ID)]
) -> None:
    """Delete a comment of one's own; administrators delete any."""
    comments.remove(db, user, slug, id)


@api.get("/tags")
def list_tags(db: Db) -> shapes.TagsOf:
    """List the tags in use, the most used first."""
    return shapes.TagsOf([tag for tag, _ in articles.tags(db)])
