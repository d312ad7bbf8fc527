"""Every SQL statement of the fan-out."""

from __future__ import annotations

from backendhub.kit.db import columns

from .models import Channel

CHANNEL = columns(Channel)

ADVANCE = (
    "UPDATE fanout_channel SET top = top + :count, touched_at = :now "
    f"WHERE space = :space AND name = :name RETURNING {CHANNEL}"
)
OPEN = (
    "INSERT INTO fanout_channel (space, name, epoch, top, floor, touched_at) "
    "VALUES (:space, :name, :epoch, :count, 0, :now) ON CONFLICT (space, name) DO UPDATE SET "
    f"top = fanout_channel.top + excluded.top, touched_at = excluded.touched_at RETURNING {CHANNEL}"
)
INSERT_MESSAGE = (
    "INSERT INTO fanout_message (channel_id, number, event, body, encoding, at) "
    "VALUES (:channel, :number, :event, :body, :encoding, :at)"
)
SELECT_CHANNEL = f"SELECT {CHANNEL} FROM fanout_channel WHERE space = :space AND name = :name"
LIST_CHANNELS = (
    f"SELECT {CHANNEL} FROM fanout_channel WHERE space = :space AND name > :after "
    "AND name NOT LIKE :hidden AND name NOT LIKE :hidden_too ORDER BY name LIMIT :limit"
)
SELECT_SINCE = (
    "SELECT number, event, body, encoding, at FROM fanout_message "
    "WHERE channel_id = :channel AND number > :after ORDER BY number LIMIT :limit"
)
CUT = "DELETE FROM fanout_message WHERE channel_id = :channel AND number <= :upto"
RAISE_FLOOR = "UPDATE fanout_channel SET floor = :upto WHERE id = :channel AND floor < :upto"
OLD = (
    "SELECT m.channel_id, max(m.number) FROM fanout_message m JOIN fanout_channel c ON c.id = m.channel_id "
    "WHERE m.at < :before AND c.space = :space GROUP BY m.channel_id"
)
FORGET = "DELETE FROM fanout_channel WHERE space = :space AND touched_at < :before AND floor = top"

LOCK_POSTGRES = "SELECT pg_advisory_xact_lock(7364872, hashtext(current_schema() || :name))"
ENTER = (
    "INSERT INTO fanout_presence (space, channel, peer, member, info, node, until) "
    "VALUES (:space, :channel, :peer, :member, :info, :node, :until) "
    "ON CONFLICT (space, channel, peer) DO UPDATE SET member = excluded.member, info = excluded.info, "
    "node = excluded.node, until = excluded.until"
)
HERE = "SELECT count(*) FROM fanout_presence WHERE space = :space AND channel = :channel AND member = :member AND until > :now"
_THERE = (
    "SELECT DISTINCT p.channel, p.member FROM {pairs} JOIN fanout_presence p "
    "ON p.space = :space AND p.channel = pair.value ->> 0 AND p.member = pair.value ->> 1 WHERE p.until > :now"
)
THERE = {
    "sqlite": _THERE.format(pairs="json_each(:pairs) AS pair"),
    "postgres": _THERE.format(pairs="jsonb_array_elements(CAST(:pairs AS JSONB)) AS pair (value)"),
}
LEAVE = "DELETE FROM fanout_presence WHERE space = :space AND channel = :channel AND peer = :peer RETURNING member, info"
PRESENT = (
    "SELECT member, min(info) FROM fanout_presence WHERE space = :space AND channel = :channel AND until > :now "
    "GROUP BY member ORDER BY member"
)
RENEW = "UPDATE fanout_presence SET until = :until WHERE node = :node"
EXPIRED = "DELETE FROM fanout_presence WHERE space = :space AND until <= :now RETURNING channel, member, info"
LEAVE_ALL = "DELETE FROM fanout_presence WHERE node = :node RETURNING channel, member, info"
