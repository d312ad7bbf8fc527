"""Fan-out: channels whose messages are stored once, written out once, and given to everybody who is there.

Raw WebSockets, server-sent events, Pusher and Socket.IO are codecs on it. See docs/guides/fanout.md.
"""

from __future__ import annotations

from . import log, presence
from .core import Fanout
from .group import is_text
from .log import FOREVER
from .members import Member
from .models import Channel, Codec, Entry, Past, Place, Present, framed
from .peers import Block, Peer, Policy, QueuePeer, SocketPeer
from .presence import Gone, Leases

__all__ = [
    "FOREVER",
    "Block",
    "Channel",
    "Codec",
    "Entry",
    "Fanout",
    "Gone",
    "Leases",
    "Member",
    "Past",
    "Peer",
    "Place",
    "Policy",
    "Present",
    "QueuePeer",
    "SocketPeer",
    "framed",
    "is_text",
    "log",
    "presence",
]
