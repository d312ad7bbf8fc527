"""Films, series and people for people."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from .models import Detail, Person, Watch

NONE = "–"
WIDTH = 96


def dash(value: Any) -> Any:
    """`–` for what is not known."""
    if value is None or value == () or value == "":
        return NONE
    return round(value, 1) if isinstance(value, float) else value


def named(row: Watch) -> str:
    """`The Matrix (1999)`."""
    return f"{row.title} ({row.release_date[:4]})" if row.release_date else row.title


def detail(one: Detail) -> str:
    """A card."""
    item, facts = one.item, one.facts
    votes = f"{item.vote_average:.1f} of 10 ({item.vote_count} votes)" if item.vote_count else NONE
    rows: list[tuple[str, Any]] = [("ID", item.id), ("Released", item.release_date), ("Rating", votes)]
    rows += [("Genres", ", ".join(item.genres)), ("Status", facts.get("status"))]
    if "runtime" in facts:
        rows += [("Runtime", f"{facts['runtime']} min" if facts["runtime"] else None)]
        rows += [("Directed by", ", ".join(facts["directors"]))]
    else:
        rows += [("Seasons", facts.get("seasons")), ("Episodes", facts.get("episodes"))]
        rows += [("Created by", ", ".join(facts["creators"]))]
    cast = [f"{c['name']} ({c['character']})" if c["character"] else c["name"] for c in facts["cast"][:5]]
    rows += [("Cast", ", ".join(cast)), ("Poster", item.poster_url)]
    head = item.title + (f" – {facts['tagline']}" if facts.get("tagline") else "")
    return _card(head, rows, item.overview)


def person(one: Person) -> str:
    """A card with the best-known work."""
    life = " – ".join(t for t in (one.birthday, one.deathday) if t)
    rows = [("ID", one.id), ("Known for", one.known_for), ("Born", life), ("In", one.place_of_birth)]
    work = []
    for credit in one.credits:
        year = (credit["releaseDate"] or "")[:4] or NONE
        role = f" ({credit['role']})" if credit["role"] else ""
        work.append(f"  {year:<4}  {_flat(credit['title'] or NONE)}{_flat(role, strip=False)}")
    return _card(one.name, rows, one.biography) + ("\n\n" + "\n".join(work) if work else "")


def status(s: dict[str, Any]) -> str:
    """What is known of the credential, and the attribution that TMDB asks for."""
    accepted = {True: "accepted by TMDB", False: "not accepted by TMDB", None: "not checked"}[s["accepted"]]
    return f"{s['kind']} from {s['source']}: {accepted}\n{s['attribution']}"


def _card(head: str, rows: list[tuple[str, Any]], text: str) -> str:
    lines = [_flat(head), *(f"{label:<12} {_flat(str(dash(value)))}" for label, value in rows)]
    paragraphs = [fill(_flat(p), WIDTH) for p in text.split("\n") if p.strip()]
    return "\n".join(lines) + ("\n\n" + "\n\n".join(paragraphs) if paragraphs else "")


def _flat(text: str, *, strip: bool = True) -> str:
    """One line, whatever the server sent."""
    flat = " ".join(text.split())
    return flat if strip or not text.startswith(" ") else " " + flat
