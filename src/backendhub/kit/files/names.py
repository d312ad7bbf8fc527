"""Names of files as clients give them, made harmless: no path, no control characters, nothing that fools a reader."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

MAX_BYTES = 255
MAX_SUFFIX = 20
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)")


def safe(name: str) -> str:
    """The last part of a name, without what a file system, a terminal or a header could mind; never empty.

    Directions of writing and invisible characters go (`gpj.exe` must not read `exe.jpg`), as do leading dots; of long
    names the ending stays.
    """
    last = re.split(r"[/\\]", name)[-1]
    text = unicodedata.normalize("NFC", "".join(c for c in last if unicodedata.category(c)[0] != "C"))
    text = re.sub(r'[<>:"|?*]', "_", " ".join(text.split())).strip(" .")
    if _RESERVED.match(text):
        text = "_" + text
    stem, dot, suffix = text.rpartition(".")
    if len(text.encode()) > MAX_BYTES:
        if not dot or len(suffix.encode()) > MAX_SUFFIX:
            stem, suffix = text, ""
        ending = f".{suffix}" if suffix else ""
        room = MAX_BYTES - len(ending.encode())
        text = stem.encode()[:room].decode(errors="ignore").strip(" .") + ending
    return text or "file"


def disposition(filename: str, *, inline: bool = False) -> str:
    """A Content-Disposition (RFC 6266) whose name survives in every browser and cannot end the field early."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    star = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'{"inline" if inline else "attachment"}; filename="{plain}"{star}'
