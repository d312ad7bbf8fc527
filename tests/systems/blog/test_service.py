"""The rules of the blog, on both engines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from backendhub.kit import clock, paging
from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.errors import Denied, Invalid, NotFound, PreconditionFailed, Unauthenticated
from backendhub.kit.identity import Principal
from backendhub.systems.blog import slugs
from backendhub.systems.blog.models import Article, Filter, State
from backendhub.systems.blog.service import articles, comments, people

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def person(db: Db) -> Callable[..., Principal]:
    """`person("amira", "admin")`: an account, as somebody who asks."""

    def add(name: str, *roles: str) -> Principal:
        user = users.add(db, email=f"{name}@example.com", username=name, roles=roles)
        return Principal(user.id, name, frozenset(roles))

    return add


def write(db: Db, who: Principal, title: str = "Title", **values: Any) -> Article:
    return articles.add(db, who, **({"title": title, "body": "Text", "description": "About"} | values))


def titles(page: Any) -> list[str]:
    return [a.title for a in page.items]


def shown(db: Db, slug: str, who: Principal | None = None) -> dict[str, Any]:
    """An article as Conduit has it."""
    found: dict[str, Any] = json.loads(articles.shown(db, slug, who=who))
    return found


def listed(db: Db, wanted: Filter = Filter(), **options: Any) -> tuple[list[dict[str, Any]], int]:
    """A list as Conduit has it."""
    listing = articles.listed(db, wanted, **options)
    return [json.loads(entry) for entry in listing.entries], listing.total


# -- articles ----------------------------------------------------------------------------------------------


def test_an_article_is_kept_as_it_was_written(db: Db, person: Any) -> None:
    amira = person("Amira")
    article = write(db, amira, " A  title ", body="# Text\n", tags=["b", " a ", "b"], category=" Tools ")
    assert (article.title, article.body, article.description) == (" A  title ", "# Text\n", "About")
    assert (article.slug, article.tags, article.category) == ("a-title", ("b", "a"), "Tools")
    assert (article.username, article.image, article.favorites) == ("Amira", None, 0)
    assert article.created_at == article.updated_at == article.publish_at and article.revision == 1
    assert articles.get(db, "a-title") == articles.get(db, article.id) == article
    author = {"username": "Amira", "bio": None, "image": None, "following": False}
    time = {"createdAt": "2026-01-05T09:00:00.000Z", "updatedAt": "2026-01-05T09:00:00.000Z"}
    entry = {"slug": "a-title", "title": " A  title ", "description": "About", "tagList": ["b", "a"], **time}
    entry |= {"favorited": False, "favoritesCount": 0, "author": author}
    assert list(shown(db, "a-title").items()) == list((entry | {"body": "# Text\n"}).items())
    assert listed(db) == ([entry], 1)


def test_without_a_description_it_gets_the_beginning_of_its_text(db: Db, person: Any) -> None:
    body = "# Head\n\nSome *emphasised* `code` and [a link](https://x.example).\n\n" + "word " * 100
    made = write(db, person("amira"), body=body, description=None)
    assert made.description.startswith("Head Some emphasised code and a link. word word")
    assert made.description.endswith("word…") and len(made.description) <= 201
    assert write(db, person("ben"), body="***", description=None).description == "***"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \n"}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"body": ""}, "body"),
        ({"description": " "}, "description"),
        ({"category": "x" * 101}, "category"),
        ({"tags": [""]}, "tagList"),
        ({"tags": ["x" * 101]}, "tagList"),
        ({"tags": [str(n) for n in range(51)]}, "tagList"),
        ({"state": State.SCHEDULED}, "publishAt"),
    ],
)
def test_bad_values_are_refused_by_name(db: Db, person: Any, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        write(db, person("amira"), **values)
    assert caught.value.details["errors"][0]["pointer"] == f"/{field}"
    assert articles.count(db) == 0


@pytest.mark.parametrize("text", ["☃ ünï", "'; DROP TABLE blog_article; --", "%s :x {0}", "a\nb", '[\\"]'])
def test_any_other_text_is_kept_as_it_is(db: Db, person: Any, text: str) -> None:
    made = write(db, person("amira"), text, body=text, tags=[text], category=text)
    assert (made.title, made.body, made.tags, made.category) == (text, text, (text,), text)
    assert titles(articles.find(db, Filter(tag=text))) == [text]


def test_equal_titles_get_different_slugs_for_good(db: Db, person: Any) -> None:
    amira = person("amira")
    found = [write(db, amira, t).slug for t in ("Go on", "Go on", "go-on 2", "GO ON!", "Go on 2")]
    assert found == ["go-on", "go-on-2", "go-on-2-2", "go-on-3", "go-on-2-3"]
    articles.remove(db, amira, "go-on")
    assert write(db, amira, "Go on").slug == "go-on-4"
    assert [write(db, amira, t).slug for t in ("Feed", "日本", "🦀", "Über uns", "x" * 200)] == [
        "feed-1",
        "ri-ben",
        "post",
        "uber-uns",
        "x" * slugs.LONGEST,
    ]


def test_a_new_title_brings_a_new_slug_and_an_equal_one_does_not(db: Db, person: Any) -> None:
    amira = person("amira")
    write(db, amira, "Same")
    second = write(db, amira, "Same")
    assert articles.edit(db, amira, second.slug, {"title": "SAME!"}).slug == "same-2"
    assert articles.edit(db, amira, second.id, {"title": "Other"}).slug == "other"
    with pytest.raises(NotFound):
        articles.get(db, "same-2")


def test_an_edit_changes_what_it_names_and_nothing_else(db: Db, person: Any) -> None:
    amira = person("amira")
    made = write(db, amira, tags=["a", "b"], category="c")
    changed = articles.edit(db, amira, made.slug, {"body": "New"})
    assert changed == replace(made, body="New", revision=2, updated_at=changed.updated_at)
    assert changed.updated_at == made.updated_at + timedelta(milliseconds=1)
    assert articles.edit(db, amira, made.slug, {"tags": []}).tags == ()
    assert articles.tags(db) == []
    assert articles.edit(db, amira, made.slug, {"category": None}).category is None
    assert articles.edit(db, amira, made.slug, {"description": None}).description == "New"
    for field in ("title", "body"):
        with pytest.raises(Invalid):
            articles.edit(db, amira, made.slug, {field: None})


def test_a_change_can_be_bound_to_a_revision(db: Db, person: Any) -> None:
    amira = person("amira")
    made = write(db, amira)
    assert articles.edit(db, amira, made.id, {"body": "2"}, if_revision=1).revision == 2
    with pytest.raises(PreconditionFailed):
        articles.edit(db, amira, made.id, {"body": "3"}, if_revision=1)
    with pytest.raises(PreconditionFailed):
        articles.remove(db, amira, made.id, if_revision=1)
    articles.remove(db, amira, made.id, if_revision=2)
    with pytest.raises(NotFound):
        articles.get(db, made.id)


def test_only_the_author_and_administrators_change_an_article(db: Db, person: Any) -> None:
    amira, ben, root = person("amira"), person("ben"), person("root", "admin")
    made = write(db, amira)
    for act in (
        lambda: articles.edit(db, ben, made.slug, {"body": "x"}),
        lambda: articles.remove(db, ben, made.slug),
    ):
        with pytest.raises(Denied) as caught:
            act()
        assert caught.value.details["subject"] == "article"
    assert articles.edit(db, root, made.slug, {"body": "Corrected"}).author_id == amira.id
    articles.remove(db, root, made.slug)
    assert articles.count(db) == 0


def test_readers_do_not_write(db: Db, person: Any) -> None:
    with pytest.raises(Denied):
        write(db, person("reader", "reader"))
    made = write(db, person("both", "reader", "writer"))
    reader = person("other", "reader")
    articles.favorite(db, reader, made.slug)
    assert articles.get(db, made.slug).favorites == 1
    assert comments.add(db, reader, made.slug, "Nice").username == "other"


# -- drafts and times --------------------------------------------------------------------------------------


def test_a_draft_exists_for_its_author_alone(db: Db, person: Any) -> None:
    amira, ben, root = person("amira"), person("ben"), person("root", "admin")
    draft = write(db, amira, state=State.DRAFT, tags=["t"], category="c")
    assert draft.publish_at is None
    for who in (None, ben):
        for act in (articles.get, articles.shown, comments.find):
            with pytest.raises(NotFound):
                act(db, draft.slug, who=who)
    for wrong in (articles.favorite, articles.remove):
        with pytest.raises(NotFound):
            wrong(db, ben, draft.slug)
    assert articles.get(db, draft.slug, who=amira) == articles.get(db, draft.slug, who=root) == draft
    assert articles.count(db, who=amira) == 0 and articles.tags(db) == articles.categories(db) == []
    drafts = Filter(state=State.DRAFT)
    assert [articles.count(db, drafts, who=w) for w in (amira, ben, root)] == [1, 0, 1]
    with pytest.raises(Unauthenticated):
        articles.find(db, drafts)
    assert articles.edit(db, amira, draft.slug, {"state": State.PUBLISHED}).publish_at is not None
    assert articles.count(db) == 1 and articles.tags(db) == [("t", 1)]
    articles.edit(db, amira, draft.slug, {"state": State.DRAFT})
    assert articles.count(db) == 0


def test_a_scheduled_article_is_out_exactly_when_it_is_due(db: Db, person: Any, frozen: Any) -> None:
    amira = person("amira")
    due = datetime.fromisoformat("2026-02-01T08:00:00.500Z")
    made = write(db, amira, publish_at=due, tags=["t"])
    assert made.state(clock.precise()) is State.SCHEDULED
    assert articles.count(db, Filter(state=State.SCHEDULED), who=amira) == 1
    frozen("2026-02-01T08:00:00.499Z")
    assert articles.count(db) == 0 and articles.tags(db) == []
    frozen("2026-02-01T08:00:00.500Z")
    assert titles(articles.find(db)) == ["Title"] and articles.tags(db) == [("t", 1)]
    assert articles.get(db, made.slug).publish_at == due
    assert articles.count(db, Filter(state=State.SCHEDULED), who=amira) == 0


def test_publishing_keeps_the_first_time_and_a_new_time_moves_it(db: Db, person: Any, frozen: Any) -> None:
    amira = person("amira")
    made = write(db, amira)
    frozen("2026-01-06T00:00:00Z")
    assert articles.edit(db, amira, made.slug, {"state": State.PUBLISHED}).publish_at == made.publish_at
    past = datetime.fromisoformat("2025-01-01T00:00:00Z")
    assert articles.edit(db, amira, made.slug, {"publish_at": past}).publish_at == past
    ahead = datetime.fromisoformat("2027-01-01T00:00:00Z")
    assert (
        articles.edit(db, amira, made.slug, {"publish_at": ahead}).state(clock.precise()) is State.SCHEDULED
    )
    now = articles.edit(db, amira, made.slug, {"state": State.PUBLISHED})
    assert (
        clock.precise() - timedelta(seconds=1) < now.publish_at <= clock.precise() and articles.count(db) == 1
    )


# -- lists -------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(db: Db, person: Any, frozen: Any) -> list[Principal]:
    """Two authors and four articles, one a day."""
    amira, ben = person("Amira"), person("ben")
    rows: list[tuple[Principal, str, dict[str, Any]]] = [
        (
            amira,
            "Rust for the rest of us",
            {"tags": ["rust", "code"], "category": "Code", "body": "Borrow checkers"},
        ),
        (ben, "Bread", {"tags": ["food"], "category": "Kitchen", "body": "Flour, salt and 100% patience"}),
        (amira, "Rusty nails", {"tags": ["diy"], "category": "Home", "body": "Vinegar"}),
        (ben, "Tea", {"tags": ["food", "code"], "category": "Kitchen", "body": "Water"}),
    ]
    for day, (who, title, values) in enumerate(rows, 1):
        frozen(f"2026-01-0{day}T12:00:00Z")
        write(db, who, title, **values)
    frozen("2026-01-05T09:00:00Z")
    return [amira, ben]


FILTERS: list[tuple[Filter, list[str]]] = [
    (Filter(), ["Tea", "Rusty nails", "Bread", "Rust for the rest of us"]),
    (Filter(tag="code"), ["Tea", "Rust for the rest of us"]),
    (Filter(tag="Code"), []),
    (Filter(author="amira"), ["Rusty nails", "Rust for the rest of us"]),
    (Filter(author="nobody"), []),
    (Filter(category="Kitchen"), ["Tea", "Bread"]),
    (Filter(category="Kitchen", tag="code"), ["Tea"]),
    (Filter(text="rust"), ["Rusty nails", "Rust for the rest of us"]),
    (Filter(text="kitchen food"), ["Tea", "Bread"]),
    (Filter(text='"borrow checkers"'), ["Rust for the rest of us"]),
    (Filter(text='" OR *'), []),
    (Filter(term="UST"), ["Rusty nails", "Rust for the rest of us"]),
    (Filter(term="itche"), ["Tea", "Bread"]),
    (Filter(term="0%"), ["Bread"]),
    (Filter(term="_"), []),
    (Filter(since=datetime.fromisoformat("2026-01-03T12:00Z")), ["Tea", "Rusty nails"]),
    (Filter(until=datetime.fromisoformat("2026-01-02T12:00Z")), ["Rust for the rest of us"]),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected"), FILTERS, ids=str)
def test_filters(db: Db, shelf: Any, wanted: Filter, expected: list[str]) -> None:
    entries, total = listed(db, wanted)
    assert ([e["title"] for e in entries], total) == (expected, len(expected))
    page = articles.find(db, wanted)
    assert (titles(page), page.next, articles.count(db, wanted)) == (expected, None, len(expected))


def test_lists_have_no_text_and_are_cut_anywhere(db: Db, shelf: Any) -> None:
    whole = titles(articles.find(db))
    assert "body" not in listed(db)[0][0] and articles.find(db).items[0].body == "Water"
    for limit in (0, 1, 3, 4, 5, 1000):
        for offset in (0, 1, 4, 9):
            entries, total = listed(db, limit=limit, offset=offset)
            assert ([e["title"] for e in entries], total) == (whole[offset : offset + limit], 4)


def test_pages_by_cursor_stay_put_when_something_is_published_before_them(db: Db, shelf: Any) -> None:
    first = articles.find(db, limit=3)
    assert titles(first) == ["Tea", "Rusty nails", "Bread"]
    write(db, shelf[0], "New")
    second = articles.find(db, limit=3, cursor=first.next)
    assert (titles(second), second.next) == (["Rust for the rest of us"], None)
    with pytest.raises(NotFound):
        articles.find(db, cursor=paging.order("id", articles.store.SORTS).cursor(first.items[0]))


def test_favourites_and_feed(db: Db, shelf: list[Principal]) -> None:
    amira, ben = shelf
    with pytest.raises(Unauthenticated):
        articles.find(db, Filter(feed=True))
    assert articles.count(db, Filter(feed=True), who=amira) == 0
    assert people.follow(db, amira, "BEN").following
    assert people.follow(db, amira, "ben").following
    assert titles(articles.find(db, Filter(feed=True), who=amira)) == ["Tea", "Bread"]
    assert (
        listed(db, who=amira)[0][0]["author"]["following"]
        and not listed(db, who=ben)[0][0]["author"]["following"]
    )
    for _ in range(2):
        articles.favorite(db, amira, "bread")
        assert (shown(db, "bread", amira)["favorited"], shown(db, "bread", amira)["favoritesCount"]) == (
            True,
            1,
        )
    articles.favorite(db, ben, "bread")
    assert titles(articles.find(db, Filter(favorited="amira"))) == ["Bread"]
    assert [shown(db, "bread", w)["favorited"] for w in (None, amira, ben)] == [False, True, True]
    for _ in range(2):
        articles.unfavorite(db, amira, "bread")
        assert articles.get(db, "bread").favorites == 1
        assert not people.unfollow(db, amira, "ben").following


def test_tags_and_categories_are_counted(db: Db, shelf: Any) -> None:
    assert articles.tags(db) == [("code", 2), ("food", 2), ("diy", 1), ("rust", 1)]
    assert articles.categories(db) == [("Code", 1), ("Home", 1), ("Kitchen", 2)]


# -- people ------------------------------------------------------------------------------------------------


def test_a_profile_is_filled_and_cleared(db: Db, person: Any) -> None:
    amira = person("Amira")
    assert people.get(db, "AMIRA") == people.of(db, amira.id) == people.get(db, amira.id)
    assert people.edit(db, amira.id, bio="Bio").image is None
    filled = people.edit(db, amira.id, image="https://x.example/a.png")
    assert (filled.bio, filled.image) == ("Bio", "https://x.example/a.png")
    assert people.edit(db, amira.id, bio="").bio is None
    assert people.edit(db, amira.id, image=None).image is None
    with pytest.raises(Invalid):
        people.edit(db, amira.id, bio="x" * 10_001)
    for act in (people.get, people.of, people.edit):
        with pytest.raises(NotFound):
            act(db, "nobody")


def test_nobody_follows_themselves_or_somebody_who_is_not_there(db: Db, person: Any) -> None:
    amira = person("amira")
    with pytest.raises(Invalid):
        people.follow(db, amira, "amira")
    for act in (people.follow, people.unfollow):
        with pytest.raises(NotFound):
            act(db, amira, "nobody")


def test_an_account_without_a_username_goes_by_its_id(db: Db) -> None:
    user = users.add(db, email="x@example.com")
    who = Principal(user.id, "x")
    assert write(db, who).username == user.id
    assert articles.count(db, Filter(author=user.id)) == 1


# -- comments ----------------------------------------------------------------------------------------------


def test_comments(db: Db, person: Any) -> None:
    amira, ben, root = person("amira"), person("ben"), person("root", "admin")
    slug, other = write(db, amira).slug, write(db, amira, "Other").slug
    first = comments.add(db, ben, slug, "First")
    second = comments.add(db, amira, slug, "Second")
    assert [c.body for c in comments.find(db, slug)] == ["Second", "First"] and comments.find(db, other) == []
    people.follow(db, amira, "ben")
    assert [c.following for c in comments.find(db, slug, who=amira)] == [False, True]
    with pytest.raises(Denied):
        comments.remove(db, ben, slug, second.id)
    with pytest.raises(NotFound):
        comments.remove(db, ben, other, first.id)
    comments.remove(db, ben, slug, first.id)
    comments.remove(db, root, slug, second.id)
    assert comments.find(db, slug) == []
    with pytest.raises(Invalid):
        comments.add(db, ben, slug, " ")
    with pytest.raises(NotFound):
        comments.add(db, ben, "nowhere", "x")


# -- what hangs together -----------------------------------------------------------------------------------

ROWS = ("blog_tag", "blog_favorite", "blog_comment", "blog_search")


def rows(db: Db) -> list[int]:
    return [db.value(f"SELECT count(*) FROM {table}") for table in ROWS]


def test_deletes_cascade(db: Db, person: Any) -> None:
    amira, ben = person("amira"), person("ben")
    for title in ("One", "Two"):
        made = write(db, amira, title, tags=["a", "b"])
        articles.favorite(db, ben, made.slug)
        comments.add(db, ben, made.slug, "x")
    people.edit(db, ben.id, bio="x")
    people.follow(db, ben, "amira")
    articles.remove(db, amira, "one")
    assert rows(db) == [2, 1, 1, 1]
    db.run("DELETE FROM accounts_user WHERE id = :id", id=ben.id)
    assert rows(db) == [2, 0, 0, 1] and articles.get(db, "two").favorites == 0
    db.run("DELETE FROM accounts_user WHERE id = :id", id=amira.id)
    assert rows(db) == [0, 0, 0, 0]
    assert [db.value(f"SELECT count(*) FROM {t}") for t in ("blog_profile", "blog_follow")] == [0, 0]


class Counting:
    """A transaction that counts its statements."""

    def __init__(self, db: Any) -> None:
        self.db, self.statements = db, 0
        self.fetch, db.fetch = db.fetch, self.counted

    def counted(self, sql: str, params: Any) -> Any:
        self.statements += 1
        return self.fetch(sql, params)


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(tag="t0", author="amira"), Filter(text="text"), Filter(feed=True)]
)
def test_a_list_of_twenty_takes_two_statements(db: Db, person: Any, monkeypatch: Any, wanted: Filter) -> None:
    amira, ben = person("amira"), person("ben")
    people.follow(db, ben, "amira")
    for n in range(25):
        write(db, amira, f"Title {n}", tags=["t0", f"t{n}"])
    counting = Counting(db)
    entries, total = listed(db, wanted, who=ben)
    monkeypatch.setattr(db, "fetch", counting.fetch)
    assert counting.statements == 2
    assert len(entries) == 20 and total == 25
    assert all(e["author"]["username"] == "amira" and len(e["tagList"]) == 2 for e in entries)
    assert all(e["author"]["following"] for e in entries)
