"""Values that may be lost at any time, in this process or in Redis: `hub.cache`."""

from __future__ import annotations

from .base import Cache, Space
from .memory import MemoryCache

__all__ = ["Cache", "MemoryCache", "Space"]
