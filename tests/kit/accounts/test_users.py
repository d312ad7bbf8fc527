"""Accounts: names that are one, changes, the last administrator."""

from __future__ import annotations

import pytest

from backendhub.kit.accounts import Status, Taken, users
from backendhub.kit.db import Db
from backendhub.kit.errors import Conflict, Invalid, NotFound

SYSTEM = "accounts"


def test_an_address_is_one_in_any_case_and_width(db: Db) -> None:
    made = users.add(db, email=" Ada@Example.com ", username="Ada", roles=["writer"])
    assert (made.email, made.username, made.roles, made.status) == (
        "Ada@Example.com",
        "Ada",
        ("writer",),
        Status.ACTIVE,
    )
    for same in ("ada@example.com", "ADA@EXAMPLE.COM", "ａda@example.com"):
        with pytest.raises(Taken) as error:
            users.add(db, email=same)
        assert error.value.field == "email"
        assert users.by_login(db, same) == made
    with pytest.raises(Taken) as error:
        users.add(db, email="other@example.com", username="ADA")
    assert error.value.field == "username"
    assert users.by_login(db, "ada") == made
    assert users.count(db) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b\r\nBcc: x@y",
        "a@.b",
        "a@b..c",
        "a" * 65 + "@b",
        "a@" + "b" * 260,
    ],
)
def test_what_is_no_address(db: Db, text: str) -> None:
    with pytest.raises(Invalid):
        users.email(text)


@pytest.mark.parametrize("text", ["a@b", "\x00", "  ", "x" * 65, "a\nb"])
def test_what_is_no_username(db: Db, text: str) -> None:
    with pytest.raises(Invalid):
        users.username(text)


def test_phone_numbers_are_kept_as_digits(db: Db) -> None:
    made = users.add(db, phone="+49 (170) 123-4567")
    assert made.phone == "491701234567"
    assert users.by_phone(db, "+491701234567") == made
    with pytest.raises(Taken):
        users.add(db, phone="491701234567")
    with pytest.raises(Invalid):
        users.phone("12")


def test_edit_changes_what_is_named_and_nothing_else(db: Db) -> None:
    made = users.add(db, email="a@b.c", username="a", metadata={"bio": "x"})
    changed = users.edit(db, made.id, username="b", metadata={"bio": "y"})
    assert (changed.email, changed.username, changed.metadata) == ("a@b.c", "b", {"bio": "y"})
    assert changed.revision == 2
    assert users.edit(db, made.id, email=None).email is None
    with pytest.raises(Conflict):
        users.edit(db, made.id, name="x", if_revision=1)
    users.add(db, username="c")
    with pytest.raises(Taken):
        users.edit(db, made.id, username="C")
    assert users.get(db, made.id).username == "b"


def test_the_last_administrator_stays(db: Db) -> None:
    first = users.add(db, email="a@b.c", roles=["admin"])
    second = users.add(db, email="b@b.c", roles=["admin"])
    users.edit(db, first.id, roles=[])
    for change in ({"roles": []}, {"status": Status.DISABLED}):
        with pytest.raises(Conflict, match="last administrator"):
            users.edit(db, second.id, **change)
    with pytest.raises(Conflict, match="last administrator"):
        users.remove(db, second.id)
    users.edit(db, first.id, roles=["admin"])
    users.remove(db, second.id)
    with pytest.raises(NotFound):
        users.get(db, second.id)


def test_listing_pages_and_filters(db: Db) -> None:
    made = [users.add(db, email=f"user{n}@b.c", roles=["writer"] if n % 2 else []) for n in range(5)]
    page = users.listed(db, limit=2)
    assert [u.id for u in page.items] == [made[4].id, made[3].id]
    rest = users.listed(db, limit=10, cursor=page.next)
    assert [u.id for u in rest.items] == [u.id for u in reversed(made[:3])]
    assert [u.email for u in users.listed(db, role="writer").items] == ["user3@b.c", "user1@b.c"]
    assert [u.email for u in users.listed(db, text="USER2").items] == ["user2@b.c"]
    assert users.listed(db, text="%").items == []
    assert users.listed(db, status=Status.DISABLED).items == []


def test_a_role_is_a_word(db: Db) -> None:
    with pytest.raises(Invalid):
        users.add(db, username="x", roles=['a","admin'])


def test_a_password_goes_with_its_account(db: Db) -> None:
    made = users.add(db, username="x", password_hash="one")
    users.rehash(db, made.id, "one", "two")
    users.rehash(db, made.id, "one", "three")
    assert users.password_hash(db, made.id) == "two"
    users.remove(db, made.id)
    assert users.password_hash(db, made.id) is None
