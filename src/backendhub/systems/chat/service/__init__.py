"""The rules of the chat: rooms and their members, messages, moderation."""

from __future__ import annotations

from . import messages, moderation, rooms

__all__ = ["messages", "moderation", "rooms"]
