"""How the proxy is set up: the settings of `cache-proxy`, read once for a process."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from backendhub.kit.edge import Origin
from backendhub.kit.errors import Invalid
from backendhub.kit.settings import Settings, user_dir

from .disk import Disk
from .rules import Policy

UNITS = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "g": 1024**3, "gb": 1024**3}


@dataclass(frozen=True, slots=True)
class Config:
    """What a process is told about its cache."""

    url: str
    policy: Policy = field(default_factory=Policy)
    memory: int = 128 * 1024**2
    objects: int = 100_000
    max_object: int = 64 * 1024**2
    disk: Path | None = None
    disk_limit: int = 1024**3
    preserve_host: bool = False
    trusted: bool = False
    token: str = ""
    connect_s: float = 5.0
    answer_s: float = 30.0

    @classmethod
    def of(cls, settings: Settings, workers: int = 1) -> Config:
        """Reads the settings. Raises Invalid."""

        def get(name: str, default: str = "") -> str:
            return settings.get(f"cache_proxy.{name}") or default

        url = get("origin")
        policy = Policy(
            heuristics=settings.flag("cache_proxy.heuristics"),
            grace=_number("grace", get("grace", "86400")),
            default_ttl=_number("ttl", get("ttl", "0")),
            cookies=settings.flag("cache_proxy.cookies"),
        )
        return cls(
            url,
            policy,
            memory=size(get("memory", "128MB")),
            objects=int(_number("objects", get("objects", "100000"))),
            max_object=size(get("max_object", "64MB")),
            disk=directory(get("disk", "auto"), url) if workers == 1 and url else None,
            disk_limit=size(get("disk_limit", "1GB")),
            preserve_host=settings.flag("cache_proxy.preserve_host"),
            trusted=settings.flag("cache_proxy.trusted"),
            token=get("token"),
            connect_s=_number("connect_timeout", get("connect_timeout", "5")),
            answer_s=_number("timeout", get("timeout", "30")),
        )

    def origin(self) -> Origin:
        """A client of the origin. Raises Invalid."""
        if not self.url:
            raise Invalid(
                "There is no origin to cache.",
                hint="--origin http://dummyjson.com, or the setting cache_proxy.origin",
            )
        return Origin(self.url, connect_s=self.connect_s, answer_s=self.answer_s, idle_s=self.answer_s)

    def open_disk(self) -> Disk | None:
        """The disk tier; None where there is none. Raises Conflict where another process has it."""
        return Disk(self.disk, self.disk_limit) if self.disk is not None else None


def directory(text: str, url: str) -> Path | None:
    """The directory of an origin's responses; None where the disk is not used."""
    root = base(text)
    return None if root is None else root / re.sub(r"[^A-Za-z0-9.-]+", "_", url.strip("/"))


def base(text: str) -> Path | None:
    """The directory below which every origin has one: `auto` is in the user's cache, `none` is no directory."""
    if text == "none":
        return None
    return user_dir("cache") / "cache-proxy" if text == "auto" else Path(text).expanduser().absolute()


def size(text: str) -> int:
    """A number of bytes such as 128MB. Raises Invalid."""
    match = re.fullmatch(r"(\d+)\s*([a-z]*)", text.strip().lower())
    if match is None or match[2] not in UNITS:
        raise Invalid(f"{text!r} is no size.", hint="such as 128MB")
    return int(match[1]) * UNITS[match[2]]


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e12:
        raise Invalid(f"cache_proxy.{name} is {text!r}, which is no number of at least 0.")
    return found
