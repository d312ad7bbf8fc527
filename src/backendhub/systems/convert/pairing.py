"""Decides what two names mean together (`pt` beside `mL` is a pint, beside `mm` a point), or explains why nothing."""

from __future__ import annotations

from collections.abc import Callable

from backendhub.kit.errors import Invalid

from . import units, words
from .models import Unit

Pair = tuple[Unit, Unit, int]


class Resolver:
    """Finds units by name and in pairs; what was found once is remembered, so that a batch costs little."""

    def __init__(
        self, *, uk: bool, custom: Callable[[str], list[Unit]], own: Callable[[], list[str]] = list
    ) -> None:
        self.units = units.Units(uk=uk, custom=custom)
        self._own = own
        self._pairs: dict[tuple[str, str], Pair] = {}

    def known(self, name: str) -> bool:
        """Whether a text names a unit."""
        return name.lower() in words.AMBIGUOUS or bool(self.units.find(name) or self.units.loose(name))

    def single(self, name: str) -> Unit:
        """What a name means on its own: the likeliest unit. Raises Invalid."""
        self._refuse_ambiguous(name)
        if found := self.units.find(name):
            return found[0]
        wide = self.units.loose(name)
        if len(wide) > 1:
            raise several(name, wide)
        if not wide:
            raise self.unknown(name)
        return wide[0]

    def pair(self, source: str, target: str) -> Pair:
        """The units that two names mean together, and their relation (1, or -1 upside down). Raises Invalid."""
        key = (source, target)
        if (known := self._pairs.get(key)) is None:
            known = self._pairs[key] = self._pair(source, target)
        return known

    def _pair(self, source: str, target: str) -> Pair:
        self._refuse_ambiguous(source)
        self._refuse_ambiguous(target)
        strict = self.units.find(source), self.units.find(target)
        for a in strict[0]:
            for b in strict[1]:
                if way := units.relation(a, b):
                    return a, b, way
        return self._in_any_case((source, target), strict)

    def _refuse_ambiguous(self, name: str) -> None:
        if choices := words.AMBIGUOUS.get(name.lower()):
            raise several(name, [u for c in choices for u in self.units.find(c)[:1]])

    def _in_any_case(self, names: tuple[str, str], strict: tuple[list[Unit], list[Unit]]) -> Pair:
        wide = [found or self.units.loose(name) for name, found in zip(names, strict, strict=True)]
        for name, found in zip(names, wide, strict=True):
            if not found:
                raise self.unknown(name)
        fits = [(a, b, way) for a in wide[0] for b in wide[1] if (way := units.relation(a, b))]
        guessed = [side for side in (0, 1) if not strict[side] and len(wide[side]) > 1]
        if len(guessed) == 2:  # two guesses that fit each other prove nothing: FT KG is no femtotesla
            fits = []
        for side in guessed:
            meant: list[Unit] = list(dict.fromkeys((a, b)[side] for a, b, _ in fits)) or wide[side]
            if len(meant) > 1:
                raise several(names[side], meant)
        if fits:
            return fits[0]
        raise mismatch(wide[0][0], wide[1][0])

    def unknown(self, name: str) -> Invalid:
        """The error for a name that no unit has, with the nearest that one has."""
        from difflib import get_close_matches

        known = [*units.spellings(), *self._own()]
        near = get_close_matches(name, known, n=3, cutoff=0.7) or get_close_matches(
            name.lower(), known, n=3, cutoff=0.7
        )
        listed = ", ".join(n.replace("_", " ") for n in near)
        hint = f"did you mean {listed}?" if near else "backendhub convert list"
        return Invalid(f"There is no unit {name.replace('_', ' ')!r}.", hint=hint)


def several(name: str, meant: list[Unit]) -> Invalid:
    """The error for a name that means different things."""
    listed = ", ".join(f"{u.symbol} ({u.name})" if u.name != u.symbol else u.symbol for u in meant)
    return Invalid(f"{name.replace('_', ' ')!r} could be several units.", hint=f"say which: {listed}")


def mismatch(a: Unit, b: Unit) -> Invalid:
    """The error for two units that measure different things, with the reason and what may have been meant."""
    reason = words.WHY.get(frozenset((a.category, b.category)))
    for one, other in ((a, b), (b, a)):
        meant = words.MEANT.get((one.symbol, other.category))
        if meant and meant != other.symbol:
            reason = f"did you mean {meant} instead of {one.symbol}?" + (f" ({reason})" if reason else "")
            break
    message = f"{a.symbol} measures {a.category} and {b.symbol} {b.category}: they do not convert."
    return Invalid(message, hint=reason or f"backendhub convert list '{a.category}'")
