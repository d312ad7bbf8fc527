"""The rules of resources on both engines: ids, changes, relations, loading."""

from __future__ import annotations

from typing import Any

import pytest

from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, Malformed, NotFound, PreconditionFailed
from backendhub.kit.resources import relations, schemas, service, values
from backendhub.kit.resources.models import Query, Resource, Row, Rules

SYSTEM = "resources"
V0, V1 = Rules(), Rules(random_ids=True)
DATA: dict[str, Any] = {
    "$schema": "ignored",
    "posts": [{"id": 1, "title": "a"}, {"id": 5, "title": "b"}],
    "comments": [{"id": 1, "postId": 1}, {"id": 2, "postId": "1"}, {"id": 3, "postId": 5}],
    "replies": [{"id": 1, "commentId": 1}, {"id": 2, "commentId": 3}],
    "words": [{"id": "x"}, {"n": 1}],
    "profile": {"name": "p"},
}


@pytest.fixture
def posts(db: Db) -> Resource:
    return of(db, "posts")


def of(db: Db, name: str, rules: Rules = V0) -> Resource:
    found = service.find_set(db, "s") or service.load(db, "s", DATA, rules)
    return service.resource(db, found.id, name)


def all_of(db: Db, name: str) -> list[dict[str, Any]]:
    return [row.value for row in service.find(db, of(db, name), Query()).rows]


def test_a_set_comes_back_as_it_was_loaded(db: Db) -> None:
    loaded = service.load(db, "s", DATA, V0)
    found = values.read(service.text(db, loaded.id))
    words = found.pop("words")
    assert words[0] == {"id": "x"} and words[1]["n"] == 1 and len(words[1]["id"]) == 7
    assert found == {name: rows for name, rows in DATA.items() if name not in ("$schema", "words")}
    assert list(found) == ["posts", "comments", "replies", "profile"]
    assert service.sizes(db, loaded.id)[0] == ("posts", 2)


def test_loading_again_replaces_everything_and_keeps_the_set(db: Db) -> None:
    first = service.load(db, "s", DATA, V0, file_hash="1")
    second = service.load(db, "s", {"other": []}, V0, file_hash="2")
    assert (first.id, second.file_hash) == (second.id, "2") and first.content_hash != second.content_hash
    assert service.text(db, second.id) == '{"other":[]}'
    assert db.value("SELECT count(*) FROM resources_field") == 0


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"a/b": []}, Invalid), ({"": []}, Invalid), ({"a": 1}, Invalid), ({"a": [1]}, Invalid), ({"a": None}, Invalid),
        ({"a": [{"id": 1}, {"id": "1"}]}, Conflict), ({"a": [{"id": True}]}, Invalid), ({"a": [{"x": "\0"}]}, Invalid),
        ({"a": [{"id": "x" * 200}]}, Invalid), ({"a": [{"id": {}}]}, Invalid),
    ],
)  # fmt: skip
def test_what_is_no_set_is_refused(db: Db, data: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        service.load(db, "s", data, V0)


def test_new_ids_follow_the_largest_and_are_not_used_again(db: Db, posts: Resource) -> None:
    assert service.add(db, posts, {"title": "c"}, V0).key == "6"
    service.remove(db, posts, "6", V0)
    assert service.add(db, posts, {"id": 0}, V0).key == "7"
    assert service.add(db, posts, {"id": 20}, V0).key == "20"
    assert service.add(db, posts, {"id": "text"}, V0).key == "text"
    assert service.add(db, posts, {"id": None}, V0).value == {"id": 21}
    assert service.add(db, posts, {"id": "22"}, V0).key == "22"
    assert service.add(db, posts, {}, V0).key == "23"  # "22" and 22 would be one row


def test_an_id_that_is_taken_is_a_conflict(db: Db, posts: Resource) -> None:
    for id in (1, "1"):
        with pytest.raises(Conflict):
            service.add(db, posts, {"id": id}, V0)


@pytest.mark.parametrize("id", [True, False, 1.5, [], {}, "x" * 200])
def test_what_is_no_id_is_refused(db: Db, posts: Resource, id: Any) -> None:
    with pytest.raises(Invalid):
        service.add(db, posts, {"id": id}, V0)


def test_ids_are_text_where_one_is(db: Db) -> None:
    key = service.add(db, of(db, "words"), {}, V0).key
    assert len(key) == 7 and key.isalnum()


def test_random_ids_are_never_those_of_the_client(db: Db) -> None:
    row = service.add(db, of(db, "posts", V1), {"id": "mine", "title": "c"}, V1)
    assert len(row.key) == 11 and row.value == {"id": row.key, "title": "c"}
    assert all_of(db, "posts")[0]["id"] == "1"


def test_replacing_keeps_id_and_place(db: Db, posts: Resource) -> None:
    row = service.replace(db, posts, "1", {"id": 9, "views": 1.0}, V0)
    assert row.body == '{"id":1,"views":1}' and row.revision == 2
    assert [p["id"] for p in all_of(db, "posts")] == [1, 5]


def test_editing_merges_one_level_or_all(db: Db, posts: Resource) -> None:
    service.edit(db, posts, "1", {"a": {"x": 1, "y": 2}, "id": 7}, V0)
    assert service.edit(db, posts, "1", {"a": {"y": 3}}, V0, deep=True).value["a"] == {"x": 1, "y": 3}
    assert service.edit(db, posts, "1", {"title": None}, V0, deep=True).value == {
        "id": 1,
        "a": {"x": 1, "y": 3},
    }
    assert service.edit(db, posts, "1", {"a": {"z": 1}, "t": None}, V0).value == {
        "id": 1,
        "a": {"z": 1},
        "t": None,
    }


def test_entries_follow_every_change(db: Db, posts: Resource) -> None:
    def shape() -> set[str]:
        return set(service.shape(db, posts))

    service.edit(db, posts, "1", {"a": {"b": [1, 2]}}, V0)
    assert shape() == {"id", "title", "a", "a.b", "a.b.0", "a.b.1"}
    service.replace(db, posts, "1", {}, V0)
    service.edit(db, posts, "5", {"title": 3}, V0)
    assert service.shape(db, posts) == {"id": {2: 2}, "title": {2: 1}}
    assert service.known(db, posts, ["title", "a", "id"]) == {"title", "id"}


def test_a_tag_guards_a_change_and_is_never_used_twice(db: Db, posts: Resource) -> None:
    row = service.get(db, posts, "1")
    changed = service.edit(db, posts, "1", {"title": "x"}, V0, if_match=f'"other", {row.tag}')
    for change in (service.edit, service.replace):
        with pytest.raises(PreconditionFailed):
            change(db, posts, "1", {}, V0, if_match=row.tag)
    with pytest.raises(PreconditionFailed):
        service.remove(db, posts, "1", V0, if_match=row.tag)
    service.remove(db, posts, "1", V0, if_match="*")
    again = service.add(db, posts, {"id": 1}, V0)
    assert again.tag not in (row.tag, changed.tag)


def test_what_is_missing_is_not_found(db: Db, posts: Resource) -> None:
    for change in (service.edit, service.replace):
        with pytest.raises(NotFound):
            change(db, posts, "9", {}, V0)
    with pytest.raises(NotFound):
        service.remove(db, posts, "9", V0)
    with pytest.raises(NotFound):
        service.resource(db, posts.set_id, "none")


@pytest.mark.parametrize("value", [[], "x", None, 3])
def test_rows_are_objects(db: Db, posts: Resource, value: Any) -> None:
    with pytest.raises(Malformed):
        service.add(db, posts, value, V0)


def test_an_object_is_replaced_and_edited(db: Db) -> None:
    profile = of(db, "profile")
    assert service.set_one(db, profile, {"a": 1}, V0).value == {"a": 1}
    assert service.edit(db, profile, service.ONE, {"b": 2}, V0).value == {"a": 1, "b": 2}


def test_deleting_takes_all_that_refers_to_it(db: Db, posts: Resource) -> None:
    service.remove(db, posts, "1", V0)
    assert [c["id"] for c in all_of(db, "comments")] == [3]
    assert [r["id"] for r in all_of(db, "replies")] == [2]
    assert (
        db.value("SELECT count(*) FROM resources_field WHERE row_id NOT IN (SELECT id FROM resources_row)")
        == 0
    )


def test_deleting_clears_references_and_takes_named_dependents(db: Db, posts: Resource) -> None:
    service.remove(db, posts, "5", V1, dependents=frozenset())
    assert [c["postId"] for c in all_of(db, "comments")] == [1, "1", None]
    service.remove(db, posts, "1", V1, dependents=frozenset({"comments"}))
    assert all_of(db, "comments") == [{"id": 3, "postId": None}]
    assert [r["commentId"] for r in all_of(db, "replies")] == [None, 3]


def test_a_tree_goes_with_its_root(db: Db) -> None:
    rows = [{"id": 1}, {"id": 2, "nodeId": 1}, {"id": 3, "nodeId": 2}, {"id": 4, "nodeId": 4}, {"id": 5}]
    loaded = service.load(db, "s", {"nodes": rows}, V0)
    nodes = service.resource(db, loaded.id, "nodes")
    service.remove(db, nodes, "1", V0)
    service.remove(db, nodes, "4", V0)  # one that refers to itself
    assert all_of(db, "nodes") == [{"id": 5}]


def test_relations_are_found_by_number_and_text(db: Db, posts: Resource) -> None:
    objects = [row.value for row in service.find(db, posts, Query()).rows]
    relations.embed(db, posts, of(db, "comments"), objects, V0)
    assert [[c["id"] for c in o["comments"]] for o in objects] == [[1, 2], [3]]
    comments: list[Any] = [*all_of(db, "comments"), {"postId": 77}, {"postId": None}, {}, {"postId": {}}]
    relations.expand(db, posts, "post", comments, V0)
    assert [c.get("post", {}).get("id") for c in comments] == [1, 1, 5, None, None, None, None]


def test_references_must_lead_somewhere_where_that_is_asked(db: Db) -> None:
    strict = Rules(references=True)
    comments = of(db, "comments")
    assert service.add(db, comments, {"postId": "5", "otherId": 3, "replyId": None}, strict)
    for change in (
        lambda: service.add(db, comments, {"postId": 2}, strict),
        lambda: service.edit(db, comments, "1", {"postId": {}}, strict),
        lambda: service.replace(db, comments, "1", {"postId": "none"}, strict),
    ):
        with pytest.raises(Invalid) as caught:
            change()
        assert caught.value.details["errors"][0]["pointer"] == "/postId"
    assert service.edit(db, comments, "1", {"text": "x"}, strict)


SCHEMA = {
    "$defs": {"name": {"type": "string", "minLength": 2}},
    "posts": {
        "type": "object",
        "required": ["id", "title"],
        "additionalProperties": False,
        "properties": {"title": {"$ref": "#/$defs/name"}, "tags": {"items": {"format": "email"}}},
    },
}


def test_a_schema_says_what_rows_look_like(db: Db, posts: Resource) -> None:
    rules = Rules(check=schemas.Validators(schemas.of_resources(SCHEMA)).check)
    assert service.add(db, posts, {"title": "ok", "tags": ["a@example.com"]}, rules).key == "6"
    with pytest.raises(Invalid) as caught:
        service.add(db, posts, {"title": "x", "tags": ["a@example.com", "no"], "y/z": 1}, rules)
    found = {e["pointer"]: e["code"] for e in caught.value.details["errors"]}
    assert found == {"/title": "minLength", "/tags/1": "format", "": "additionalProperties"}
    with pytest.raises(Invalid):
        service.edit(db, posts, "6", {"title": None}, rules, deep=True)
    assert service.get(db, posts, "6").revision == 1
    assert service.add(db, of(db, "words"), {"anything": 1}, rules)


def test_the_schema_of_a_whole_file_will_do() -> None:
    whole = {
        "type": "object",
        "properties": {"posts": {"type": "array", "items": {"required": ["x"]}}, "p": {}},
    }
    assert schemas.of_resources(whole) == {"posts": {"required": ["x"]}, "p": {}}


@pytest.mark.parametrize(
    "document", [[], {"a": 1}, {"a": {"type": "nothing"}}, {"a": {"$ref": "#/$defs/none"}}]
)
def test_what_is_no_schema_is_refused(document: Any) -> None:
    with pytest.raises(Invalid):
        schemas.Validators(schemas.of_resources(document))


def test_a_unit_that_is_refused_has_written_nothing(db: Db, posts: Resource) -> None:
    """So that it does not take the writes of others, which are committed with it, along."""
    rules = Rules(references=True, check=schemas.Validators(schemas.of_resources(SCHEMA)).check)
    row = service.get(db, posts, "1")
    before = db.changes() if db.dialect == "sqlite" else 0
    for change in (
        lambda: service.add(db, posts, {"id": 1, "title": "taken"}, rules),
        lambda: service.add(db, posts, {"title": 1}, rules),
        lambda: service.edit(db, posts, "1", {"title": 1}, rules),
        lambda: service.edit(db, posts, "1", {}, rules, if_match='"0.0"'),
        lambda: service.remove(db, posts, "9", rules),
    ):
        with pytest.raises((Invalid, Conflict, PreconditionFailed, NotFound)):
            change()
    assert before == (db.changes() if db.dialect == "sqlite" else 0)
    assert (
        db.one(
            Row, "SELECT id, resource_id, key, body, revision FROM resources_row WHERE id = :id", id=row.id
        )
        == row
    )


def test_rows_of_a_store_from_before_are_found_too(store_url: str) -> None:
    """The third migration gives them what `q` looks through."""
    from backendhub.kit.db import connect
    from backendhub.kit.db.migrate import files

    store = connect(store_url)
    store.use("resources")
    third = files("resources", store.dialect)[2]
    with store.transaction() as db:
        loaded = service.load(
            db, "s", {"posts": [{"id": 7, "t": "Alpha", "no": False}, {"id": 8, "t": "b"}]}, V0
        )
        db.run("ALTER TABLE resources_row DROP COLUMN search")
        db.run("DELETE FROM hub_migrations WHERE system = 'resources' AND number = 3")
    store.close()
    again = connect(store_url)
    again.use("resources")
    with again.transaction() as db:
        posts = service.resource(db, loaded.id, "posts")
        found = {
            q: [r.key for r in service.find(db, posts, Query(text=q)).rows] for q in ("ALPH", "8", "false")
        }
    again.close()
    assert third.number == 3 and found == {"ALPH": ["7"], "8": ["8"], "false": []}
