"""From the setting `files` to the back-end that it names."""

from __future__ import annotations

from pathlib import Path

from backendhub.kit.errors import Invalid
from backendhub.kit.objects import SCHEMES

from .backend import Backend


def open_backend(url: str) -> Backend:
    """The back-end of a URL: a path or `file://…` is a directory, `s3://bucket/prefix` (gs, az) a bucket."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        from .directory import Directory

        return Directory(Path(rest if separator else url))
    if scheme in SCHEMES:
        from .bucket import Bucket

        return Bucket(url)
    raise Invalid(f"{scheme!r} is no place for files.", hint="use a directory or s3://bucket/prefix")
