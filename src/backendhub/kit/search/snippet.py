"""Where a query was found in a text: pieces, or one line of HTML. Done in Python, so that both engines show the same."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from .query import Term, parse
from .words import fold, spans

NEAR = 30
"""How many characters a stretch gives up so that it ends at a word's end."""


class Piece(NamedTuple):
    """A stretch of a text, and whether it is what was looked for."""

    text: str
    hit: bool


def pieces(text: str, query: str, *, size: int | None = None) -> list[Piece]:
    """The text cut at its hits. With `size` (in characters) only the stretch of about that length that holds most of
    what was looked for, at whole words, with … where something was left out.
    """
    places = spans(text)
    said = [fold(text[start:end]) for start, end in places]
    hits: list[tuple[int, int, int]] = []
    for number, term in enumerate(t for t in parse(query) if not t.excluded):
        hits += [(places[at][0], places[at + len(term.words) - 1][1], number) for at in _found(said, term)]
    hits.sort()
    start, end = (0, len(text)) if size is None or len(text) <= size else _window(text, hits, size)
    found = [Piece("…", False)] if start else []
    at = start
    for first, last, _ in hits:
        if last > end:
            break
        if first >= at:
            found += [Piece(text[at:first], False)] if first > at else []
            found.append(Piece(text[first:last], True))
            at = last
    found += [Piece(text[at:end], False)] if at < end else []
    return [*found, Piece("…", False)] if end < len(text) else found


def snippet(text: str, query: str, *, size: int = 200, before: str = "<mark>", after: str = "</mark>") -> str:
    """`pieces` as one line of HTML: the text is escaped, hits stand between `before` and `after`."""
    parts = [
        f"{before}{escape(piece.text)}{after}" if piece.hit else escape(piece.text)
        for piece in pieces(" ".join(text.split()), query, size=size)
    ]
    return "".join(parts)


def _found(said: list[str], term: Term) -> list[int]:
    """The places of a term among the words of a text."""
    *before, last = term.words
    size = len(term.words)
    return [
        at
        for at in range(len(said) - size + 1)
        if (said[at + size - 1].startswith(last) if term.prefix else said[at + size - 1] == last)
        and said[at : at + size - 1] == before
    ]


def _window(text: str, hits: list[tuple[int, int, int]], size: int) -> tuple[int, int]:
    """The stretch that holds the most different terms, then the most hits; the first of equals."""
    best, first, last = (0, 0), 0, 0
    right = 0
    for left, (begin, _, _) in enumerate(hits):
        right = max(right, left)
        while right < len(hits) and hits[right][1] <= begin + size:
            right += 1
        inside = hits[left:right]
        if (value := (len({number for _, _, number in inside}), len(inside))) > best:
            best, first, last = value, begin, max(end for _, end, _ in inside)
    start = max(0, min(first - max(0, size - (last - first)) // 2, len(text) - size))
    end = start + size
    # Not in the middle of a word, where there is white space near.
    if start and not text[start - 1].isspace():
        start = next((i + 1 for i in range(start, min(start + NEAR, first)) if text[i].isspace()), start)
    if end < len(text) and not text[end].isspace():
        end = next((i for i in range(end, max(end - NEAR, last), -1) if text[i].isspace()), end)
    return start, end
