"""Messages: sent once whatever a device repeats, edited, deleted, reacted to, listed and found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from backendhub.kit import clock, files
from backendhub.kit.db import Db
from backendhub.kit.db.records import encode
from backendhub.kit.errors import Conflict, Denied, Invalid, NotFound
from backendhub.kit.files import File, Staged
from backendhub.kit.identity import Principal
from backendhub.kit.ids import uuid7
from backendhub.systems.chat import store
from backendhub.systems.chat.models import RANK, Attachment, Done, Member, Message, Reaction

from .log import inside, locked, member, number, tell

MAX_TEXT = 10_000
MAX_EMOJIS = 50
"""Different reactions to one message."""
LAST = 1 << 62


def send(
    db: Db,
    who: Principal,
    room: str,
    *,
    text: str = "",
    device: str = "",
    txn: str | None = None,
    reply_to: int | None = None,
    staged: Staged | None = None,
    filename: str = "",
) -> Done[Message]:
    """Sends a message. The same (device, txn) again is the same message. Raises NotFound, Denied, Invalid, Conflict."""
    locked(db, room)
    me = inside(db, room, who.id)
    device = device or who.session or ""
    if txn is not None:
        before = db.one(Message, store.SELECT_TXN, sender=who.id, device=device, txn=txn)
        if before is not None:
            if before.room_id != room:
                raise Conflict("This transaction id was used for another room.")
            return Done(_whole(db, [before])[0])
    _may_speak(me)
    if staged is None and not text.strip():
        raise Invalid("A message has a text or a file.", field="text")
    if len(text) > MAX_TEXT or "\x00" in text:
        raise Invalid(f"A text has {MAX_TEXT:,} characters at most, and no NUL.", field="text")
    if reply_to is not None and db.one(Message, store.SELECT_MESSAGE, room=room, number=reply_to) is None:
        raise Invalid("There is no such message to reply to.", field="replyTo")
    file = files.add(db, staged, owner=who.id, name=filename or "file") if staged is not None else None
    now = clock.precise()
    txn = txn if txn is not None else uuid7()
    told = tell(db, room, "message", **_event(me, text, device, txn, reply_to, file, now))
    values = {
        "room": room,
        "number": number(told),
        "sender": who.id,
        "device": device,
        "txn": txn,
        "text": text,
    }
    db.run(store.INSERT_MESSAGE, **values, reply_to=reply_to, file=file and file.id, now=now)
    return Done(get(db, room, number(told)), (told,))


def _may_speak(me: Member) -> None:
    if me.muted_until is not None and me.muted_until > clock.precise():
        raise Denied(
            f"You are muted until {clock.iso(me.muted_until)}.", muted_until=clock.iso(me.muted_until)
        )


def _event(
    me: Member, text: str, device: str, txn: str, reply_to: int | None, file: File | None, now: datetime
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "user": me.user_id,
        "name": me.name,
        "text": text,
        "device": device,
        "txn": txn,
        "at": now,
    }
    if reply_to is not None:
        told["replyTo"] = reply_to
    if file is not None:
        told["attachment"] = {"name": file.name, "type": file.type, "size": file.size}
    return told


def get(db: Db, room: str, number: int) -> Message:
    """A message. Raises NotFound."""
    found = db.one(Message, store.SELECT_MESSAGE, room=room, number=number)
    if found is None:
        raise NotFound("There is no such message.")
    return _whole(db, [found])[0]


def _whole(db: Db, found: list[Message]) -> list[Message]:
    """Messages with their reactions and files."""
    if not found:
        return []
    rows = db.fetch(store.REACTIONS.format(among=db.among("ids")), {"ids": encode([m.id for m in found])})
    reactions: dict[int, dict[str, list[str]]] = {}
    for message, emoji, user in rows:
        reactions.setdefault(message, {}).setdefault(emoji, []).append(user)
    names = [m.file_id for m in found if m.file_id is not None]
    kept = {}
    if names:
        sql = store.FILES.format(among=db.among("ids", "text"))
        kept = {row[0]: Attachment(*row[1:]) for row in db.fetch(sql, {"ids": encode(names)})}
    return [
        replace(
            m,
            reactions=tuple(Reaction(emoji, users) for emoji, users in reactions.get(m.id, {}).items()),
            attachment=kept.get(m.file_id or ""),
        )
        for m in found
    ]


def edit(db: Db, who: Principal, room: str, number: int, text: str) -> Done[Message]:
    """Changes the text of one's own message. Raises NotFound, Denied, Invalid."""
    locked(db, room)
    me = inside(db, room, who.id)
    before = get(db, room, number)
    if before.sender_id != who.id:
        raise Denied("This is somebody else's message.")
    _may_speak(me)
    if not text.strip() or len(text) > MAX_TEXT or "\x00" in text:
        raise Invalid(f"A text has 1 to {MAX_TEXT:,} characters, and no NUL.", field="text")
    if before.text == text:
        return Done(before)
    now = clock.precise()
    if not db.run(store.EDIT_MESSAGE, room=room, number=number, text=text, now=now):
        raise NotFound("The message was deleted.")
    _retell(db, room, number, text)
    told = tell(db, room, "edited", message=number, text=text, user=who.id, at=now)
    return Done(get(db, room, number), (told,))


def delete(db: Db, who: Principal, room: str, number: int) -> Done[None]:
    """Deletes one's own message, or that of a lower rank: its text, file and reactions are gone. Raises NotFound, Denied."""
    locked(db, room)
    me = inside(db, room, who.id)
    before = get(db, room, number)
    if before.deleted_at is not None:
        return Done(None)
    if before.sender_id != who.id:
        theirs = None if before.sender_id is None else member(db, room, before.sender_id)
        if RANK[me.role] <= (RANK[theirs.role] if theirs is not None else 0):
            raise Denied("This is somebody else's message.")
    db.run(store.DELETE_MESSAGE, room=room, number=number, now=clock.precise())
    db.run(store.CLEAR_REACTIONS, message=before.id)
    _retell(db, room, number, None)
    if before.file_id is not None:
        files.remove(db, before.file_id)
    return Done(None, (tell(db, room, "deleted", message=number, by=who.id),))


def _retell(db: Db, room: str, number: int, text: str | None) -> None:
    """Puts a text in the place of those before it in what the log of a room keeps for those who come back; None for a
    message that is gone."""
    told = db.fetch(store.TOLD, {"room": room, "number": number, "edits": f'{{"message":{number},%'})
    rows = [{"room": room, "number": n, "body": _with_text(body, text)} for n, body in told]
    db.run_many(store.RETELL, rows)


def _with_text(body: str, text: str | None) -> str:
    told = json.loads(body) | {"text": text or ""}
    if text is None:
        told.pop("attachment", None)
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def react(db: Db, who: Principal, room: str, number: int, emoji: str, *, on: bool = True) -> Done[Message]:
    """Sets or takes back a reaction. Raises NotFound, Denied, Invalid, Conflict."""
    locked(db, room)
    me = inside(db, room, who.id)
    message = get(db, room, number)
    if not 1 <= len(emoji) <= 32 or any(c.isspace() or c < "\x21" for c in emoji):
        raise Invalid("A reaction is one emoji or short word.", field="emoji")
    if on:
        _may_speak(me)
        if message.deleted_at is not None:
            raise Conflict("The message was deleted.")
        known = {r.emoji for r in message.reactions}
        if emoji not in known and len(known) >= MAX_EMOJIS:
            raise Conflict(f"A message has {MAX_EMOJIS} different reactions at most.")
    sql = store.REACT if on else store.UNREACT
    if not db.run(sql, message=message.id, user=who.id, emoji=emoji):
        return Done(message)
    event = "reacted" if on else "unreacted"
    told = tell(db, room, event, message=number, user=who.id, name=me.name, emoji=emoji)
    return Done(get(db, room, number), (told,))


def history(
    db: Db, who: Principal, room: str, *, before: int | None = None, after: int | None = None, limit: int = 50
) -> list[Message]:
    """Messages of a room in their order: the last ones, those before or those after a number. Raises NotFound."""
    inside(db, room, who.id)
    if after is not None:
        return _whole(db, db.all(Message, store.LIST_AFTER, room=room, after=after, limit=limit))
    found = db.all(
        Message, store.LIST_BEFORE, room=room, before=LAST if before is None else before, limit=limit
    )
    return _whole(db, found[::-1])


def search(
    db: Db, who: Principal, text: str, *, room: str = "", before: int | None = None, limit: int = 50
) -> list[Message]:
    """Messages of one's rooms that match, the newest first; `before` is the id of the last one seen."""
    if room:
        inside(db, room, who.id)
    query = store.SEARCH.query(db, text)
    place = LAST if before is None else before
    values = {"search": query, "user": who.id, "room": room, "before": place, "limit": limit}
    return _whole(db, db.all(Message, store.FIND[db.dialect], **values))


def attachment(db: Db, who: Principal, room: str, number: int) -> File:
    """The file of a message. Raises NotFound."""
    inside(db, room, who.id)
    message = get(db, room, number)
    if message.file_id is None:
        raise NotFound("This message has no file.")
    return files.get(db, message.file_id)
