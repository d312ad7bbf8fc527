"""The audit log: who changed what, added to and never changed, each entry bound to the one before by its hash.

    audit.note(db, audit.actor(db), "blog.deleted", f"post:{post.id}", before={"title": post.title})

A system's migration says `-- needs: audit`.
"""

from __future__ import annotations

from .log import actor, find, note, verify
from .models import Checked, Entry

__all__ = ["Checked", "Entry", "actor", "find", "note", "verify"]
