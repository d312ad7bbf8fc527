"""Content-based recommendations: what liked things have in common, weighed by how rare it is. All local.

Every item is a set of features (genres, people, keywords, decade, language). A rating above the middle of the
scale speaks for its features, one below against them; rare features weigh more (idf). A well-voted film wins
among equals, but a fit beats a vote.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import log, sqrt
from typing import NamedTuple

from .models import Item, Recommendation, State, Watch

WEIGHTS = {"director": 1.6, "cast": 1.1, "keyword": 1.0, "genre": 1.0, "decade": 0.3, "language": 0.3}
MIDDLE, HALF = 5.5, 4.5
UNRATED, WANTED = 0.4, 0.3  # what it says to have watched something, or to want to
PRIOR_VOTES, PRIOR_MEAN, QUALITY = 300, 6.3, 0.05


class Taste(NamedTuple):
    """An item that speaks for or against others."""

    item: Item
    weight: float
    rating: float | None


def taste(watch: Watch, item: Item) -> Taste:
    """How much a row of the watch list says."""
    if watch.rating is not None:
        return Taste(item, (watch.rating - MIDDLE) / HALF, watch.rating)
    return Taste(item, UNRATED if watch.state is State.DONE else WANTED, None)


def rank(tastes: Sequence[Taste], pool: Sequence[Item], *, limit: int) -> list[Recommendation]:
    """The items of the pool that fit best, with reasons. Items already known are left out."""
    known = {(t.item.kind, t.item.id) for t in tastes}
    rarity = _rarity([*pool, *(t.item for t in tastes)])
    profile: defaultdict[str, float] = defaultdict(float)
    for one in tastes:
        size = sqrt(len(one.item.features)) or 1.0
        for name in one.item.features:
            profile[name] += one.weight * rarity[name] / size
    found = []
    for item in pool:
        if (item.kind, item.id) in known or not item.features:
            continue
        fit = {f: profile[f] * rarity[f] for f in item.features if f in profile}
        score = sum(fit.values()) / sqrt(len(item.features)) + QUALITY * (_quality(item) - PRIOR_MEAN)
        if fit and sum(fit.values()) > 0:
            found.append((score, item, fit))
    found.sort(key=lambda row: (-row[0], -row[1].vote_count, row[1].id))
    return [Recommendation(item, score, _reason(item, fit, tastes)) for score, item, fit in found[:limit]]


def _rarity(items: Iterable[Item]) -> Mapping[str, float]:
    counts: Counter[str] = Counter()
    total = 0
    for item in items:
        counts.update(item.features.keys())
        total += 1
    return {f: WEIGHTS.get(f.split(":", 1)[0], 1.0) * log(1 + total / n) for f, n in counts.items()}


def _quality(item: Item) -> float:
    """The vote average, drawn to the mean where few have voted."""
    votes = item.vote_count
    return (votes * item.vote_average + PRIOR_VOTES * PRIOR_MEAN) / (votes + PRIOR_VOTES)


def _reason(item: Item, fit: Mapping[str, float], tastes: Sequence[Taste]) -> str:
    """`like The Matrix (9/10): Keanu Reeves, dystopia`."""
    best = max(
        (t for t in tastes if t.weight > 0),
        key=lambda t: (t.weight * sum(max(0.0, fit.get(f, 0.0)) for f in t.item.features), -t.item.id),
        default=None,
    )
    telling = sorted((f for f, value in fit.items() if value > 0), key=lambda f: (-fit[f], f))
    shared = [f for f in telling if best is None or f in best.item.features] or telling
    names = ", ".join(item.features[f] for f in shared[:3])
    if best is None:
        return names
    liked = f"{best.item.title} ({best.rating:g}/10)" if best.rating is not None else best.item.title
    return f"like {liked}: {names}"
