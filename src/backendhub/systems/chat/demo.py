"""Believable sample data: two people, a room and a conversation."""

from __future__ import annotations

from backendhub.kit.accounts import users
from backendhub.kit.db import Db
from backendhub.kit.identity import Principal

from .models import Kind
from .service import messages, rooms


def load(db: Db) -> int:
    """Adds people (without passwords), rooms and messages where there are none; gives how many messages."""
    if rooms.public(db, limit=1) or users.by_username(db, "ada") is not None:
        return 0
    people = {name: _person(db, name) for name in ("ada", "grace", "linus")}
    room = rooms.add(db, people["ada"], name="General", topic="Everything", members=("grace", "linus")).value
    private = rooms.add(db, people["grace"], name="Release", kind=Kind.PRIVATE, members=("ada",)).value
    said = [
        (room.id, "ada", "Good morning, everyone."),
        (room.id, "grace", "Morning! The build is green again."),
        (room.id, "linus", "Who broke it this time?"),
        (room.id, "grace", "A moth."),
        (private.id, "grace", "Shall we tag 2.4 today?"),
        (private.id, "ada", "Yes, after lunch."),
    ]
    sent = [
        messages.send(db, people[name], where, text=text, device="demo").value for where, name, text in said
    ]
    messages.react(db, people["ada"], room.id, sent[3].number, "🦋")
    return len(sent)


def _person(db: Db, name: str) -> Principal:
    user = users.add(db, username=name)
    return Principal(user.id, name)
