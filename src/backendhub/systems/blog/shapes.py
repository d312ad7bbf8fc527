"""What Conduit sends and takes, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field

from backendhub.kit import accounts

from .fields import (
    About,
    Body,
    Email,
    Known,
    NewSecret,
    Said,
    Secret,
    SecretChange,
    Some,
    Tags,
    Title,
    Username,
)
from .models import Comment, Listing, Profile

# -- what is sent ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserOut:
    """Somebody to themselves."""

    email: str | None
    token: str
    username: str
    bio: str | None
    image: str | None


@dataclass(frozen=True, slots=True)
class ProfileOut:
    """Somebody to others."""

    username: str
    bio: str | None
    image: str | None
    following: bool


@dataclass(frozen=True, slots=True)
class EntryOut:
    """An article in a list, without its text. The store writes it (`store.ENTRY`)."""

    slug: str
    title: str
    description: str
    tag_list: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    favorited: bool
    favorites_count: int
    author: ProfileOut


@dataclass(frozen=True, slots=True)
class ArticleOut(EntryOut):
    """A whole article."""

    body: str


@dataclass(frozen=True, slots=True)
class CommentOut:
    """A comment."""

    id: int
    created_at: datetime
    updated_at: datetime
    body: str
    author: ProfileOut


@dataclass(frozen=True, slots=True)
class UserOf:
    """`{"user": …}`."""

    user: UserOut


@dataclass(frozen=True, slots=True)
class ProfileOf:
    """`{"profile": …}`."""

    profile: ProfileOut


@dataclass(frozen=True, slots=True)
class ArticleOf:
    """`{"article": …}`."""

    article: ArticleOut


@dataclass(frozen=True, slots=True)
class ArticlesOf:
    """`{"articles": […], "articlesCount": …}`."""

    articles: list[EntryOut]
    articles_count: int


@dataclass(frozen=True, slots=True)
class CommentOf:
    """`{"comment": …}`."""

    comment: CommentOut


@dataclass(frozen=True, slots=True)
class CommentsOf:
    """`{"comments": […]}`."""

    comments: list[CommentOut]


@dataclass(frozen=True, slots=True)
class TagsOf:
    """`{"tags": […]}`."""

    tags: list[str]


def user(account: accounts.User, profile: Profile, token: str) -> UserOf:
    """An account to itself, with the token it came with or was just given."""
    return UserOf(UserOut(account.email, token, profile.username, profile.bio, profile.image))


def profile(p: Profile) -> ProfileOf:
    """Somebody's profile."""
    return ProfileOf(ProfileOut(p.username, p.bio, p.image, p.following))


def article(entry: str) -> ArticleOf:
    """An article, already JSON."""
    return cast(ArticleOf, f'{{"article":{entry}}}'.encode())


def articles(listing: Listing) -> ArticlesOf:
    """A list of articles, each already JSON."""
    entries = ",".join(listing.entries)
    return cast(ArticlesOf, f'{{"articles":[{entries}],"articlesCount":{listing.total}}}'.encode())


def comment(c: Comment) -> CommentOf:
    """A comment."""
    return CommentOf(_comment(c))


def comments(found: list[Comment]) -> CommentsOf:
    """Comments in order."""
    return CommentsOf([_comment(c) for c in found])


def _comment(c: Comment) -> CommentOut:
    author = ProfileOut(c.username, c.bio, c.image, c.following)
    return CommentOut(c.id, c.created_at, c.updated_at, c.body, author)


# -- what is taken -----------------------------------------------------------------------------------------


class NewUser(BaseModel):
    """Who wants an account."""

    username: Username
    email: Email
    password: NewSecret


class NewUserIn(BaseModel):
    """`{"user": …}`."""

    user: NewUser


class Login(BaseModel):
    """Who wants to come in."""

    email: Known
    password: Secret


class LoginIn(BaseModel):
    """`{"user": …}`."""

    user: Login


class UserChange(BaseModel):
    """What to change about oneself; an empty password changes none, as forms send it."""

    username: Username = Field(default_factory=str)
    email: Email = Field(default_factory=str)
    password: SecretChange = None
    current_password: Annotated[
        Secret | None,
        Field(alias="currentPassword", description="The present password, checked before another one is set"),
    ] = None
    bio: Some = None
    image: Some = None


class UserChangeIn(BaseModel):
    """`{"user": …}`."""

    user: UserChange


class NewArticle(BaseModel):
    """An article to write."""

    title: Title
    description: About
    body: Body
    tag_list: Tags = Field(default=[], alias="tagList")


class NewArticleIn(BaseModel):
    """`{"article": …}`."""

    article: NewArticle


class ArticleChange(BaseModel):
    """What to change of an article; what is not named stays."""

    title: Title = Field(default_factory=str)
    description: About = Field(default_factory=str)
    body: Body = Field(default_factory=str)
    tag_list: Tags = Field(default=[], alias="tagList")


class ArticleChangeIn(BaseModel):
    """`{"article": …}`."""

    article: ArticleChange


class NewComment(BaseModel):
    """A comment to add."""

    body: Said


class NewCommentIn(BaseModel):
    """`{"comment": …}`."""

    comment: NewComment


def sent(model: BaseModel) -> dict[str, Any]:
    """The fields that were sent, as the service calls them."""
    values = model.model_dump(exclude_unset=True)
    return {("tags" if name == "tag_list" else name): value for name, value in values.items()}
