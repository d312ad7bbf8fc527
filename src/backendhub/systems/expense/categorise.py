"""Finds the category of an entry, offline, says why, and abstains where it does not know.

In this order: the user's rules, the same payee before, a multinomial naive Bayes on the user's own entries
(posterior at least 0.8, at least two entries of evidence), words shipped with the product, none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from backendhub.kit.db import Db

from . import store
from .models import UNCATEGORIZED, Source
from .service import payee_of

POSTERIOR = 0.8
EVIDENCE = 2
LESSONS = 2000
"""Entries that are learned from, the latest: habits change, and so does the price of reading them all."""


class Guess(NamedTuple):
    """A category, where it came from and why in words; `scores` are the posteriors of the candidates."""

    category: str
    source: Source
    reason: str | None
    scores: tuple[tuple[str, float], ...] = ()


NOTHING = Guess(UNCATEGORIZED, Source.NONE, None)


class Categoriser:
    """The knowledge of one owner as it is now; what is read is read once."""

    def __init__(self, db: Db, *, owner: str = "") -> None:
        self._db = db
        self._owner = owner
        self._rules: list[tuple[int, re.Pattern[str], str]] | None = None
        self._bayes: dict[bool, Bayes] = {}
        self._phrases: dict[bool, list[tuple[str, str]]] = {}
        self._known: dict[tuple[str, bool], Guess] = {}

    def guess(self, description: str, *, income: bool = False) -> Guess:
        """The category of a description, spending and income apart."""
        if found := self._rule(description):
            return found
        key = (payee_of(description), income)
        if key not in self._known:
            self._known[key] = self._same_payee(*key) or self._learned(*key) or self._keyword(*key) or NOTHING
        return self._known[key]

    def explain(self, description: str, *, income: bool = False) -> list[tuple[str, Guess | None]]:
        """What each step says of a description, in the order in which they are asked."""
        payee = payee_of(description)
        return [
            ("rule", self._rule(description)),
            ("same payee", self._same_payee(payee, income)),
            ("similar entries", self._learned(payee, income)),
            ("shipped words", self._keyword(payee, income)),
        ]

    def posteriors(self, description: str, *, income: bool = False) -> tuple[tuple[str, float], ...]:
        """Every candidate of the naive Bayes and its probability, likeliest first."""
        return self._model(income).posteriors(payee_of(description).split())

    def _rule(self, description: str) -> Guess | None:
        if self._rules is None:
            rows = self._db.fetch(store.RULES, {"owner": self._owner})
            self._rules = [(row[0], re.compile(row[1], re.IGNORECASE), row[2]) for row in rows]
        for id, pattern, category in self._rules:
            if pattern.search(description):
                return Guess(category, Source.RULE, f"rule {id}: {pattern.pattern}")
        return None

    def _same_payee(self, payee: str, income: bool) -> Guess | None:
        params = {"owner": self._owner, "payee": payee, "income": income}
        rows = self._db.fetch(store.SAME_PAYEE, params)
        total = sum(n for _, n in rows)
        if not rows or 2 * rows[0][1] <= total:  # no majority, no opinion
            return None
        entries = "entry" if rows[0][1] == 1 else "entries"
        return Guess(rows[0][0], Source.PAYEE, f"same payee as {rows[0][1]} {entries}")

    def _model(self, income: bool) -> Bayes:
        if income not in self._bayes:
            params = {"owner": self._owner, "income": income, "limit": LESSONS}
            rows = self._db.fetch(store.LESSONS, params)
            self._bayes[income] = Bayes([(row[0].split(), row[1]) for row in rows])
        return self._bayes[income]

    def _learned(self, payee: str, income: bool) -> Guess | None:
        model, words = self._model(income), payee.split()
        scores = model.posteriors(words)
        if not scores or scores[0][1] < POSTERIOR:
            return None
        evidence = model.evidence(words, scores[0][0])
        if evidence < EVIDENCE:
            return None
        return Guess(scores[0][0], Source.BAYES, f"learned from {evidence} similar", scores)

    def _keyword(self, payee: str, income: bool) -> Guess | None:
        if income not in self._phrases:
            from .keywords import phrases

            self._phrases[income] = phrases(income)
        text = f" {payee} "
        for phrase, category in self._phrases[income]:
            if f" {phrase} " in text or f" {phrase}s " in text:
                return Guess(category, Source.KEYWORD, f"the word “{phrase}”")
        return None


class Bayes:
    """A multinomial naive Bayes over words, with add-one smoothing."""

    def __init__(self, lessons: Sequence[tuple[Sequence[str], str]]) -> None:
        self.lessons = lessons
        self.rows: Counter[str] = Counter(category for _, category in lessons)
        self.words: dict[str, Counter[str]] = {category: Counter() for category in self.rows}
        for words, category in lessons:
            self.words[category].update(words)
        self.vocabulary = {word for counts in self.words.values() for word in counts}
        self.totals = {category: counts.total() for category, counts in self.words.items()}

    def posteriors(self, words: Sequence[str]) -> tuple[tuple[str, float], ...]:
        """P(category | words), likeliest first; none where no word was ever seen."""
        from math import exp, log

        known = [word for word in words if word in self.vocabulary]
        if not known:
            return ()
        logs = {}
        for category, n in self.rows.items():
            score = log(n / len(self.lessons))
            below = self.totals[category] + len(self.vocabulary)
            logs[category] = score + sum(log((self.words[category][w] + 1) / below) for w in known)
        top = max(logs.values())
        weights = {category: exp(score - top) for category, score in logs.items()}
        total = sum(weights.values())
        return tuple(sorted(((c, w / total) for c, w in weights.items()), key=lambda p: (-p[1], p[0])))

    def evidence(self, words: Sequence[str], category: str) -> int:
        """How many entries of a category share a word."""
        wanted = set(words)
        return sum(1 for seen, name in self.lessons if name == category and not wanted.isdisjoint(seen))
