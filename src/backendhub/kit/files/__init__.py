"""Files: content stored once by its SHA-256, in a directory or a bucket, owned by name and counted against quotas.

    file = hub.files.put(stream, owner=user.id, name="report.pdf")      # outside a unit of work
    hub.files.url(file, expires=3600)

Where the row of a system comes and goes with a file, its service does the second half itself:

    staged = hub.files.stage(stream)                                    # outside: writes the bytes
    file = files.add(db, staged, owner=user.id, name="report.pdf")      # inside: counts them to the owner
    files.remove(db, file.id)                                           # inside; the bytes go later

See docs/guides/files.md.
"""

from __future__ import annotations

from .backend import Missing, Unavailable
from .models import Collected, Damage, File, QuotaExceeded, Staged, Upload, Usage
from .rows import Gone, add, copy, find, get, remove, rename, set_quota, usage
from .service import Files

__all__ = [
    "Collected",
    "Damage",
    "File",
    "Files",
    "Gone",
    "Missing",
    "QuotaExceeded",
    "Staged",
    "Unavailable",
    "Upload",
    "Usage",
    "add",
    "copy",
    "find",
    "get",
    "remove",
    "rename",
    "set_quota",
    "usage",
]
