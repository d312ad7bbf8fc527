"""Seat plans: what a drawing holds, and the drawing of a plain hall. Nothing here knows the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import hypot, isfinite
from typing import Any

Drawing = Mapping[str, Any]
SEAT, AREA, BOOTH, TABLE = "seat", "generalAdmission", "booth", "table"
TYPES = (SEAT, AREA, BOOTH, TABLE)
MAX_SPOTS = 100_000
MAX_LABEL = 200
MAX_CAPACITY = 10**6
MAX_DISTANCE = 10**9
FLAGS = {
    "isAccessible": "accessible",
    "isCompanionSeat": "companionSeat",
    "hasLiftUpArmrests": "liftUpArmrests",
    "isHearingImpaired": "hearingImpaired",
    "isSemiAmbulatorySeat": "semiAmbulatorySeat",
    "hasSignLanguageInterpretation": "signLanguageInterpretation",
    "isPlusSize": "plusSize",
    "hasRestrictedView": "restrictedView",
}
"""Attributes of seats: as they are reported, and as drawings spell them."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Something of a plan that can be had: a seat, a table, a booth, or an area with so many places.

    `row` names the line of seats that it stands in, `place` its number there; neighbours are in the same row. `whole`:
    the table (also that of a seat) or area is drawn to be had as a whole.
    """

    label: str
    kind: str
    own: str
    parent: str | None = None
    parent_kind: str | None = None
    section: str | None = None
    zone: str | None = None
    floor: dict[str, str] | None = None
    entrance: str | None = None
    category: int | str | None = None
    capacity: int | None = None
    whole: bool | None = None
    seats: int | None = None
    row: str = ""
    place: int = 0
    left: str | None = None
    right: str | None = None
    x: float = 0.0
    y: float = 0.0
    distance: float = 0.0
    flags: dict[str, bool] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)

    @property
    def labels(self) -> dict[str, Any]:
        """Own label, parent's and section's, as the wire tells them."""
        own: dict[str, Any] = {"own": {"label": self.own, "type": self.kind}}
        if self.parent is not None:
            own["parent"] = {"label": self.parent, "type": self.parent_kind}
        if self.section is not None:
            own["section"] = self.section
        if self.entrance is not None:
            own["entrance"] = {"label": self.entrance}
        return own

    @property
    def ids(self) -> dict[str, str]:
        """The same without types."""
        found = {"own": self.own}
        if self.parent is not None:
            found["parent"] = self.parent
        if self.section is not None:
            found["section"] = self.section
        return found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a drawing we are."""

    section: Mapping[str, Any] | None = None
    floor: dict[str, str] | None = None
    focus: Mapping[str, float] | None = None
    zones: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def label(self, *parts: str) -> str:
        """`Section A-B-7`."""
        own = [self.section["label"]] if self.section is not None else []
        return "-".join([*own, *parts])

    def common(self, item: Mapping[str, Any], x: float, y: float) -> dict[str, Any]:
        """What spots of every kind have."""
        section = self.section or {}
        offset = section.get("topLeft") or {"x": 0.0, "y": 0.0}
        zone = section.get("zone") or item.get("zone")
        focus = self.zones.get(str(zone), {}).get("focalPoint") or self.focus or {"x": 0.0, "y": 0.0}
        x, y = x + offset["x"], y + offset["y"]
        category = item.get("categoryKey")
        return {
            "section": section.get("label"),
            "zone": zone,
            "floor": self.floor,
            "entrance": item.get("entrance") or section.get("entrance"),
            "category": section.get("categoryKey") if category is None else category,
            "x": x,
            "y": y,
            "distance": round(hypot(x - focus["x"], y - focus["y"]), 4),
        }


def spots(drawing: Drawing) -> list[Spot]:
    """Everything in a drawing that can be had, row by row. A table stands beside its seats: which of them counts is
    decided for each event."""
    zones = {z["key"]: z for z in (drawing.get("zones") or {}).get("list") or ()}
    found: list[Spot] = []
    for chart, floor in _floors(drawing):
        place = _Place(None, floor, chart.get("focalPoint"), zones)
        found += _chart(chart, place)
        for section in chart.get("sections") or ():
            inside = _Place(section, floor, chart.get("focalPoint"), zones)
            found += _chart(section.get("subChart") or {}, inside)
    return found


def _floors(drawing: Drawing) -> Iterator[tuple[Mapping[str, Any], dict[str, str] | None]]:
    if floors := drawing.get("subChartFloors"):
        for chart in floors:
            name = str(chart.get("floorName"))
            yield chart, {"name": name, "displayName": str(chart.get("floorDisplayName") or name)}
    elif chart := drawing.get("subChart"):
        yield chart, None


def _chart(chart: Mapping[str, Any], place: _Place) -> Iterator[Spot]:
    for row in chart.get("rows") or ():
        yield from _line(row["seats"], row["label"], "row", place)
    for table in chart.get("tables") or ():
        center = table.get("center") or {"x": 0.0, "y": 0.0}
        first: Mapping[str, Any] = next(iter(table.get("seats") or ()), {})
        yield Spot(
            place.label(table["label"]),
            TABLE,
            table["label"],
            whole=bool(table.get("bookAsAWhole")),
            seats=len(table.get("seats") or ()),
            **place.common(first, center["x"], center["y"]),
        )
        whole = bool(table.get("bookAsAWhole"))
        yield from _line(table.get("seats") or (), table["label"], "table", place, whole)
    for booth in chart.get("booths") or ():
        center = booth.get("center") or {"x": 0.0, "y": 0.0}
        yield Spot(
            place.label(booth["label"]),
            BOOTH,
            booth["label"],
            **place.common(booth, center["x"], center["y"]),
        )
    for area in chart.get("generalAdmissionAreas") or ():
        center = area.get("center") or {"x": 0.0, "y": 0.0}
        yield Spot(
            place.label(area["label"]),
            AREA,
            area["label"],
            capacity=int(area["capacity"]),
            whole=bool(area.get("bookAsAWhole")),
            **place.common(area, center["x"], center["y"]),
        )


def _line(
    seats: Sequence[Mapping[str, Any]], parent: str, kind: str, place: _Place, whole: bool | None = None
) -> Iterator[Spot]:
    labels = [place.label(parent, str(seat["label"])) for seat in seats]
    for n, seat in enumerate(seats):
        yield Spot(
            labels[n],
            SEAT,
            str(seat["label"]),
            parent,
            kind,
            whole=whole,
            row=place.label(parent),
            place=n,
            left=labels[n - 1] if n else None,
            right=labels[n + 1] if n + 1 < len(seats) else None,
            flags={told: bool(seat.get(drawn)) for told, drawn in FLAGS.items()},
            **place.common(seat, float(seat["x"]), float(seat["y"])),
        )


def categories(drawing: Drawing) -> list[dict[str, Any]]:
    """The price categories of a drawing."""
    return list((drawing.get("categories") or {}).get("list") or ())


def check_category(found: Any) -> None:
    """Raises ValueError for what is no category."""
    if not isinstance(found, dict):
        kinds = {str: "String", int: "Integer", float: "Double", list: "JSONArray", bool: "Boolean"}
        raise ValueError(f"expected type: JSONObject, found: {kinds.get(type(found), 'Null')}")
    for name in ("key", "label", "color"):
        if name not in found:
            raise ValueError(f"required key [{name}] not found")
        known = (str, int) if name == "key" else (str,)
        if type(found[name]) not in known or len(str(found[name])) > MAX_LABEL or "\0" in str(found[name]):
            raise ValueError(f"[{name}] is not what it should be")


def checked(drawing: Drawing) -> tuple[list[Spot], list[dict[str, Any]]]:
    """What a drawing holds, and its categories. Raises ValueError for one that cannot be read."""
    try:
        found, listed = spots(drawing), categories(drawing)
        for each in listed:
            check_category(each)
        validation(drawing)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if "\0" in str(drawing.get("name")):
        raise ValueError("a name holds no NUL")
    for zone in (drawing.get("zones") or {}).get("list") or ():
        if not isinstance(zone["key"], str) or not isinstance(zone.get("label"), str):
            raise ValueError("a zone has a key and a label")
    if len(found) > MAX_SPOTS:
        raise ValueError(f"more than {MAX_SPOTS} objects")
    for spot in found:
        if not 0 < len(spot.label) <= MAX_LABEL or "\0" in spot.label:
            raise ValueError(f"a label has 1 to {MAX_LABEL} characters")
        if spot.capacity is not None and not 0 <= spot.capacity <= MAX_CAPACITY:
            raise ValueError(f"{spot.label}: a capacity is at most {MAX_CAPACITY}")
        if not isfinite(spot.distance) or spot.distance > MAX_DISTANCE:
            raise ValueError(f"{spot.label} is too far away")
        if not isinstance(spot.category, str | int | None) or not isinstance(spot.zone, str | None):
            raise ValueError(f"{spot.label}: category or zone is not what it should be")
    return found, listed


def validation(drawing: Drawing) -> dict[str, list[str]]:
    """What is odd about a drawing. Nothing of it keeps a chart from being used, so all of it is a warning."""
    found = spots(drawing)
    known = {str(c["key"]) for c in categories(drawing)}
    labels = Counter(s.label for s in found)
    kinds = {
        "DUPLICATE_LABELS": any(count > 1 for count in labels.values()),
        "UNLABELED_OBJECTS": any(s.own in ("", "?") for s in found),
        "OBJECTS_WITHOUT_CATEGORIES": any(
            s.kind != TABLE and (s.category is None or str(s.category) not in known) for s in found
        ),
    }
    return {"errors": [], "warnings": [kind for kind, odd in kinds.items() if odd]}


def empty(name: str, venue: str = "SIMPLE", listed: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """A drawing with nothing in it."""
    return {
        "name": name,
        "venueType": venue,
        "categories": {"list": [dict(c) | {"accessible": bool(c.get("accessible"))} for c in listed]},
        "version": 22,
        "subChart": {"width": 0, "height": 0, "rows": [], "tables": [], "booths": [], "generalAdmissionAreas": [], "sections": []},
    }  # fmt: skip


def hall(
    name: str, rows: Mapping[str, tuple[int, int | str]], listed: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The drawing of a hall: how many seats each row has, and of which category; the screen is above the first row.

    Sight is best in the middle, three fifths of the way back: that is what best seats are near to.
    """
    widest = max((count for count, _ in rows.values()), default=0)
    drawing = empty(name, "ROWS_WITHOUT_SECTIONS", listed)
    drawing["subChart"] |= {
        "width": widest * 20,
        "height": len(rows) * 24,
        "focalPoint": {"x": widest * 10.0, "y": (len(rows) - 1) * 24.0 * 0.6},
        "rows": [
            {
                "label": label,
                "seats": [
                    {
                        "label": str(n + 1),
                        "x": (widest - count) * 10.0 + n * 20.0 + 10.0,
                        "y": r * 24.0,
                        "categoryKey": category,
                        "accessible": False,
                    }
                    for n in range(count)
                ],
            }
            for r, (label, (count, category)) in enumerate(rows.items())
        ],
    }
    return drawing
