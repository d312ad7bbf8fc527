"""The rules of sign-up, sign-in, links and codes, second factors and administration; one module for each."""

from __future__ import annotations

from . import administration, changing, links, multifactor, refreshing, registering, signing
from .engine import Engine

__all__ = [
    "Engine",
    "administration",
    "changing",
    "links",
    "multifactor",
    "refreshing",
    "registering",
    "signing",
]
