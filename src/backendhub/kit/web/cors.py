"""Cross-origin requests (the CORS protocol of the Fetch standard)."""

from __future__ import annotations

from dataclasses import dataclass

from .replies import Fields

EXPOSED = ("ETag", "Link", "Location", "X-Request-Id", "X-Total-Count")


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages of other origins may read what an API answers.

    `credentials` lets cookies and HTTP authentication come along; then the origin is named, never `*`, and every
    exposed field too.
    """

    origins: tuple[str, ...] = ("*",)
    credentials: bool = False
    expose: tuple[str, ...] = EXPOSED
    max_age: int = 600

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may."""
        return "*" in self.origins or origin in self.origins

    def fields(self, origin: bytes) -> Fields:
        """What a response to a request from this origin says; nothing for one that may not."""
        if not self.allows(origin.decode("latin-1")):
            return [(b"vary", b"Origin")]
        if "*" in self.origins and not self.credentials:
            return [(b"access-control-allow-origin", b"*"), self._exposed(b"*, ")]
        fields = [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), self._exposed(b"")]
        if self.credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def _exposed(self, first: bytes) -> tuple[bytes, bytes]:
        return b"access-control-expose-headers", first + ", ".join(self.expose).encode()

    def preflight(self, methods: list[str], asked: bytes) -> Fields:
        """The answer to a preflight for a resource with these methods."""
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", asked or b"*"),
            (b"access-control-max-age", str(self.max_age).encode()),
        ]


ANY = Cors()
"""Any origin, without credentials."""
