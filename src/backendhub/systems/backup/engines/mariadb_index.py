"""Where in a dump each table lies: found while the dump streams by, so that a table can be restored alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Row data never holds a raw newline (it is written as \n), so that these lines are the dumper's own.
MARKER = re.compile(
    rb"\n--\n-- (?P<kind>Table structure for table|Sequence structure for|Dumping data for table|"
    rb"Temporary table structure for view|Dumping events for database|Dumping routines for database|"
    rb"Final view structure for view) [`']"
    rb"|\n(?P<triggers>/\*!50003 SET @saved_cs_client      = @@character_set_client \*/ ;)\n"
    rb"|\n(?P<footer>/\*!40103 SET TIME_ZONE=@OLD_TIME_ZONE \*/;)\n"
)
KINDS = {
    b"Table structure for table": "table",
    b"Sequence structure for": "sequence",
    b"Dumping data for table": "data",
    b"Temporary table structure for view": "standin",
    b"Dumping events for database": "events",
    b"Dumping routines for database": "routines",
    b"Final view structure for view": "view",
}
CREATED = re.compile(rb"\n(?:DROP (?:TABLE|SEQUENCE)|/\*!50001 DROP VIEW) IF EXISTS `((?:[^`]|``)*)`", re.S)
# The longest name is 64 characters of 4 bytes, each a backtick at worst; it stands in the comment and in DROP.
REACH = 4096
POSITION = re.compile(rb"CHANGE (?:MASTER|REPLICATION SOURCE) TO \w+_LOG_FILE='([^']+)', \w+_LOG_POS=(\d+);")


@dataclass(slots=True)
class Section:
    """A stretch of the dump: `kind` header, table, sequence, data, triggers, standin, events, routines, view."""

    kind: str
    name: str
    start: int
    length: int = 0


class Indexer:
    """Reads along and notes sections; also the binlog position and whether the dump came to its end."""

    def __init__(self) -> None:
        self.sections = [Section("header", "", 0)]
        self.position: dict[str, Any] | None = None
        self.total = 0
        self._window = b""
        self._base = 0
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """The next piece of the dump."""
        self.total += len(data)
        self._tail = (self._tail + data)[-64:]
        self._window += data
        if len(self._window) > 2 * REACH:
            self._scan(len(self._window) - REACH)

    def finish(self) -> list[Section]:
        """All sections with their lengths."""
        self._scan(len(self._window))
        for section, after in zip(self.sections, self.sections[1:], strict=False):
            section.length = after.start - section.start
        self.sections[-1].length = self.total - self.sections[-1].start
        return self.sections

    @property
    def complete(self) -> bool:
        """Whether the dumper wrote its last line."""
        return b"\n-- Dump completed" in self._tail

    def _scan(self, until: int) -> None:
        """Takes every marker that begins before `until`, then forgets what lies before it."""
        if self.position is None and self._base == 0 and (found := POSITION.search(self._window)):
            self.position = {"file": found[1].decode(), "pos": int(found[2])}
        at = 0
        while (found := MARKER.search(self._window, at)) and found.start() < until:
            self._note(found)
            at = found.end() - 1
        keep = max(0, min(until, len(self._window)) - 1)
        # One byte before `until` stays: a marker begins with the newline that ends the line before it.
        self._base += max(at, keep)
        self._window = self._window[max(at, keep) :]

    def _note(self, found: re.Match[bytes]) -> None:
        start, last = self._base + found.start() + 1, self.sections[-1]
        if found["footer"]:
            self.sections.append(Section("footer", "", start))
        elif found["triggers"]:
            if last.kind == "data":
                self.sections.append(Section("triggers", last.name, start))
        else:
            kind = KINDS[found["kind"]]
            self.sections.append(Section(kind, self._name(kind, found, last), start))

    def _name(self, kind: str, found: re.Match[bytes], last: Section) -> str:
        if kind in ("events", "routines"):
            return ""
        if kind == "data":
            return last.name
        # The comment's own spelling is not reversible (newlines are rewritten); the statement below it is.
        created = CREATED.search(self._window, found.end())
        return created[1].decode().replace("``", "`") if created else ""


def for_tables(sections: list[Section], chosen: set[str]) -> list[Section]:
    """The stretches needed to restore some tables and views: frame, structure, data and triggers."""
    return [
        section
        for section in sections
        if section.kind in ("header", "footer")
        or (section.name in chosen and section.kind in ("table", "sequence", "data", "triggers", "view"))
    ]


def from_meta(rows: list[list[Any]]) -> list[Section]:
    """Sections as they were stored."""
    return [Section(*row) for row in rows]
