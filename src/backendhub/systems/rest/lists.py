"""Lists as they are asked for: parts, totals, links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.resources import service, values
from backendhub.kit.resources.models import Resource, Row

from . import query_v0, query_v1, reading, related, wire
from .config import Config
from .models import Asked, Pages, Slice

PARSERS = (query_v0.parse, query_v1.parse)


def answer(
    db: Db, request: web.Request, config: Config, resource: Resource, parent: tuple[str, str] | None = None
) -> web.Reply:
    """A list, of rows that refer to `parent` (path and key) if that is given. Raises Malformed."""

    def known(paths: Sequence[str]) -> set[str]:
        return service.known(db, resource, paths)

    asked = PARSERS[config.version](request.pairs(), known, strict=config.strict)
    if parent is not None:
        path, key = parent
        where = reading.both(query_v0.equal(path, [key]), asked.query.where)
        asked = replace(asked, query=replace(asked.query, where=where))
    return _List(db, request, config, resource, asked).answer()


class _List:
    """One list on its way to the client."""

    def __init__(
        self, db: Db, request: web.Request, config: Config, resource: Resource, asked: Asked
    ) -> None:
        self.db = db
        self.request = request
        self.config = config
        self.resource = resource
        self.asked = asked
        self.related = related.plan(db, config, resource, asked.embed, asked.expand)

    def answer(self) -> web.Reply:
        part = self.asked.part
        if self.asked.query.cursor is not None:
            return self.by_cursor()
        if isinstance(part, Pages):
            return self.linked_page(part) if self.config.version == 0 else self.envelope(part)
        if isinstance(part, Slice):
            total = self.count()
            return self.reply(wire.listing(self.part(*reading.bounds(part, total))), total)
        texts = self.texts(service.find(self.db, self.resource, self.asked.query).rows)
        return self.reply(wire.listing(texts), len(texts))

    def by_cursor(self) -> web.Reply:
        found = service.find(self.db, self.resource, self.asked.query)
        link = f'<{self.url("_cursor", found.next)}>; rel="next"' if found.next else ""
        return self.reply(wire.listing(self.texts(found.rows)), None, link)

    def linked_page(self, part: Pages) -> web.Reply:
        """As version 0 has it: the neighbours in `Link`, but none behind the last page, nor where all is on one."""
        total = self.count()
        last = max(1, -(-total // part.size))
        texts = self.part((part.number - 1) * part.size, part.size)
        numbers = {"first": 1, "prev": part.number - 1, "next": part.number + 1, "last": last}
        links = [
            f'<{self.url("_page", str(number))}>; rel="{name}"'
            for name, number in numbers.items()
            if texts and last > 1 and 1 <= number <= last
        ]
        return self.reply(wire.listing(texts), total, ", ".join(links))

    def envelope(self, part: Pages) -> web.Reply:
        """As version 1 has it; a number behind the last page is that of the last page."""
        total = self.count()
        pages = max(1, -(-total // part.size))
        number = min(part.number, pages)
        texts = self.part((number - 1) * part.size, part.size)
        numbers: dict[str, int | None] = {
            "first": 1,
            "prev": number - 1 or None,
            "next": number + 1 if number < pages else None,
            "last": pages,
            "pages": pages,
            "items": total,
        }
        return self.reply(values.write(numbers)[:-1] + ',"data":' + wire.listing(texts) + "}", total)

    def count(self) -> int:
        return service.count(self.db, self.resource, self.asked.query)

    def part(self, offset: int, limit: int) -> list[str]:
        if limit == 0 or offset >= reading.MAX_INTEGER:
            return []
        query = replace(self.asked.query, offset=offset, limit=limit)
        return self.texts(service.find(self.db, self.resource, query).rows)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        return related.texts(self.config, self.resource, rows, self.related)

    def reply(self, content: str, total: int | None, link: str = "") -> web.Reply:
        more = {"X_Total_Count": str(total)} if total is not None else {}
        return wire.document(self.request, self.config, content, **more, **({"Link": link} if link else {}))

    def url(self, name: str, value: str) -> str:
        """The URL of the request with another value for a parameter."""
        pairs = [(each, value if each == name else given) for each, given in self.request.pairs()]
        return f"{self.request.base_url}{quote(self.request.path)}?{urlencode(pairs)}"
