"""Every SQL statement of the chat."""

from __future__ import annotations

from backendhub.kit.db import columns
from backendhub.kit.search import Index

from .models import Room

ROOM = columns(Room)
SHOWN = "coalesce(u.username, u.name, u.email, 'somebody')"
MEMBER = f"m.user_id, {SHOWN}, m.role, m.joined_at, m.joined, m.got, m.seen, m.muted_until"
MESSAGE = (
    f"m.id, m.room_id, m.number, m.sender_id, CASE WHEN u.id IS NULL THEN NULL ELSE {SHOWN} END, m.device, m.txn, "
    "m.text, m.reply_to, m.file_id, m.at, m.edited_at, m.deleted_at"
)
OF_MESSAGES = "FROM chat_message m LEFT JOIN accounts_user u ON u.id = m.sender_id"
SEARCH = Index("chat_search", {"text": 1})

# One change of a room at a time; on SQLite all writers take turns.
LOCK_ROOM = {
    "sqlite": f"SELECT {ROOM} FROM chat_room WHERE id = :room",
    "postgres": f"SELECT {ROOM} FROM chat_room WHERE id = :room FOR UPDATE",
}
SELECT_ROOM = f"SELECT {ROOM} FROM chat_room WHERE id = :room"
SELECT_PAIR = f"SELECT {ROOM} FROM chat_room WHERE pair = :pair"
INSERT_ROOM = (
    "INSERT INTO chat_room (id, name, kind, topic, pair, created_at) VALUES (:id, :name, :kind, :topic, :pair, :now) "
    f"ON CONFLICT (pair) DO NOTHING RETURNING {ROOM}"
)
UPDATE_ROOM = f"UPDATE chat_room SET name = :name, topic = :topic WHERE id = :room RETURNING {ROOM}"
LIST_PUBLIC = f"SELECT {ROOM} FROM chat_room WHERE kind = 'public' AND (name, id) > (:name, :after) ORDER BY name, id LIMIT :limit"
LIST_MINE = (
    "SELECT r.id, CASE WHEN r.kind = 'direct' THEN coalesce((SELECT coalesce(u.username, u.name, u.email, 'somebody') "
    "FROM chat_member o JOIN accounts_user u ON u.id = o.user_id WHERE o.room_id = r.id AND o.user_id <> m.user_id), r.name) "
    "ELSE r.name END, r.kind, r.topic, m.role, m.joined, m.seen, coalesce(c.top, 0), coalesce(c.epoch, '') "
    "FROM chat_member m JOIN chat_room r ON r.id = m.room_id "
    "LEFT JOIN fanout_channel c ON c.space = 'chat' AND c.name = r.id "
    "WHERE m.user_id = :user ORDER BY m.room_id"
)
COUNT_ROOMS = "SELECT count(*) FROM chat_member WHERE user_id = :user"
ROOMS_OF = "SELECT room_id FROM chat_member WHERE user_id = :user ORDER BY room_id"

SELECT_MEMBER = f"SELECT {MEMBER} FROM chat_member m JOIN accounts_user u ON u.id = m.user_id WHERE m.room_id = :room AND m.user_id = :user"
LIST_MEMBERS = f"SELECT {MEMBER} FROM chat_member m JOIN accounts_user u ON u.id = m.user_id WHERE m.room_id = :room AND m.user_id > :after ORDER BY m.user_id LIMIT :limit"
COUNT_MEMBERS = "SELECT count(*) FROM chat_member WHERE room_id = :room"
INSERT_MEMBER = (
    "INSERT INTO chat_member (room_id, user_id, role, joined_at, joined, got, seen) "
    "VALUES (:room, :user, :role, :now, 0, 0, 0) ON CONFLICT (room_id, user_id) DO NOTHING"
)
SET_JOINED = "UPDATE chat_member SET joined = :number, got = :number, seen = :number WHERE room_id = :room AND user_id = :user"
DELETE_MEMBER = "DELETE FROM chat_member WHERE room_id = :room AND user_id = :user"
SET_ROLE = "UPDATE chat_member SET role = :role WHERE room_id = :room AND user_id = :user"
SET_MUTED = "UPDATE chat_member SET muted_until = :until WHERE room_id = :room AND user_id = :user"
NEXT_OWNER = (
    "SELECT user_id FROM chat_member WHERE room_id = :room "
    "ORDER BY CASE role WHEN 'owner' THEN 0 WHEN 'moderator' THEN 1 ELSE 2 END, joined, user_id LIMIT 1"
)
MARK_GOT = "UPDATE chat_member SET got = :number WHERE room_id = :room AND user_id = :user AND got < :number"
MARK_SEEN = (
    "UPDATE chat_member SET seen = :number WHERE room_id = :room AND user_id = :user AND seen < :number"
)

SELECT_BAN = (
    "SELECT until FROM chat_ban WHERE room_id = :room AND user_id = :user AND (until IS NULL OR until > :now)"
)
PUT_BAN = (
    "INSERT INTO chat_ban (room_id, user_id, reason, until, at) VALUES (:room, :user, :reason, :until, :now) "
    "ON CONFLICT (room_id, user_id) DO UPDATE SET reason = excluded.reason, until = excluded.until, at = excluded.at"
)
DELETE_BAN = "DELETE FROM chat_ban WHERE room_id = :room AND user_id = :user"
LIST_BANS = (
    f"SELECT b.user_id, {SHOWN}, b.reason, b.until, b.at FROM chat_ban b JOIN accounts_user u ON u.id = b.user_id "
    "WHERE b.room_id = :room AND (b.until IS NULL OR b.until > :now) ORDER BY b.user_id"
)

INSERT_MESSAGE = (
    "INSERT INTO chat_message (room_id, number, sender_id, device, txn, text, reply_to, file_id, at) "
    "VALUES (:room, :number, :sender, :device, :txn, :text, :reply_to, :file, :now)"
)
SELECT_TXN = (
    f"SELECT {MESSAGE} {OF_MESSAGES} WHERE m.sender_id = :sender AND m.device = :device AND m.txn = :txn"
)
SELECT_MESSAGE = f"SELECT {MESSAGE} {OF_MESSAGES} WHERE m.room_id = :room AND m.number = :number"
LIST_BEFORE = f"SELECT {MESSAGE} {OF_MESSAGES} WHERE m.room_id = :room AND m.number < :before ORDER BY m.number DESC LIMIT :limit"
LIST_AFTER = f"SELECT {MESSAGE} {OF_MESSAGES} WHERE m.room_id = :room AND m.number > :after ORDER BY m.number LIMIT :limit"
EDIT_MESSAGE = "UPDATE chat_message SET text = :text, edited_at = :now WHERE room_id = :room AND number = :number AND deleted_at IS NULL"
DELETE_MESSAGE = (
    "UPDATE chat_message SET text = '', file_id = NULL, deleted_at = :now "
    "WHERE room_id = :room AND number = :number AND deleted_at IS NULL"
)
FILES = "SELECT id, name, type, size FROM files_file WHERE id {among}"
REACT = "INSERT INTO chat_reaction (message_id, user_id, emoji) VALUES (:message, :user, :emoji) ON CONFLICT DO NOTHING"
UNREACT = "DELETE FROM chat_reaction WHERE message_id = :message AND user_id = :user AND emoji = :emoji"
# What the log of a room has told of a message: when it was sent, and each time that it was edited.
_LOG = "channel_id = (SELECT id FROM fanout_channel WHERE space = 'chat' AND name = :room)"
TOLD = (
    f"SELECT number, body FROM fanout_message WHERE {_LOG} AND number >= :number "
    "AND (number = :number OR (event = 'edited' AND body LIKE :edits))"
)
RETELL = f"UPDATE fanout_message SET body = :body WHERE {_LOG} AND number = :number"
CLEAR_REACTIONS = "DELETE FROM chat_reaction WHERE message_id = :message"
REACTIONS = "SELECT message_id, emoji, user_id FROM chat_reaction WHERE message_id {among} ORDER BY message_id, emoji, user_id"

_FOUND = (
    f"SELECT {MESSAGE} FROM {{hits}} AS hit JOIN chat_message m ON m.id = hit.id LEFT JOIN accounts_user u ON u.id = m.sender_id "
    "JOIN chat_member mine ON mine.room_id = m.room_id AND mine.user_id = :user "
    "WHERE m.deleted_at IS NULL AND (CAST(:room AS TEXT) = '' OR m.room_id = :room) AND m.id < :before ORDER BY m.id DESC LIMIT :limit"
)
FIND = {dialect: _FOUND.format(hits=SEARCH.hits[dialect]) for dialect in ("sqlite", "postgres")}
