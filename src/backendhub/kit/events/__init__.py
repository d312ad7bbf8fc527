"""Publish and subscribe, within this process or over Redis: `hub.events`."""

from __future__ import annotations

from .base import Events, Gap, Message, Overflow, Subscription, TooSlow
from .memory import MemoryEvents

__all__ = ["Events", "Gap", "MemoryEvents", "Message", "Overflow", "Subscription", "TooSlow"]
