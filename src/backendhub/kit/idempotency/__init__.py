"""Requests that may be sent again: each key has one effect, and every repetition gets the answer of the first.

Routes say `idempotent=True` (see `kit.web`); jobs and other code may call `once` themselves.
"""

from __future__ import annotations

from .service import TTL, Kept, KeyInUse, KeyReused, once, purge

__all__ = ["TTL", "Kept", "KeyInUse", "KeyReused", "once", "purge"]
