"""Converts, exactly: sums up what was typed, goes through SI units, writes the result as asked."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid

from . import custom, exact, quantity
from .exact import Ratio
from .models import Conversion, Part, Style, Unit
from .pairing import Pair, Resolver

MAX_DIGITS = 1000
"""Digits that may be asked for."""


class NeedsStore(Exception):
    """A name that is not in the table: the store may know it as a user's unit or a currency's rate."""


class Converter:
    """Converts for one person and one set of options; a batch shares what it has looked up.

    Without a store only the table's own units are known, and any other name raises NeedsStore: most conversions
    then never open one.
    """

    def __init__(
        self,
        db: Db | None,
        *,
        uk: bool = False,
        delta: bool = False,
        style: Style = Style(),
        on: date | None = None,
    ) -> None:
        check(style)
        self.db = db
        self.delta = delta
        self.style = style
        self.on = on
        self.names = Resolver(uk=uk, custom=self._custom, own=self._own)

    def _custom(self, name: str) -> list[Unit]:
        if not custom.possible(name):
            return []
        if self.db is None:
            raise NeedsStore(name)
        return custom.find(self.db, name)

    def _own(self) -> list[str]:
        return [] if self.db is None else custom.names(self.db)

    def answer(self, words: list[str]) -> list[Conversion]:
        """Converts what the words ask for, one result a target.

        Raises Invalid for what makes no sense and NotFound for a currency pair without a rate.
        """
        question = quantity.parse(words, self.names.known)
        return [self._convert(question.amounts, target) for target in question.targets]

    def _convert(self, amounts: tuple[quantity.Amount, ...], target: tuple[str, ...]) -> Conversion:
        pairs = [self.names.pair(a.unit, target[-1]) for a in amounts]
        parts = [self.names.pair(amounts[-1].unit, name)[1] for name in target]
        if len(pairs) + len(parts) > 2:
            self._check_additive(pairs, parts)
        asked = " ".join(f"{written(a.number)} {p[0].symbol}" for a, p in zip(amounts, pairs, strict=True))
        source, unit, way = pairs[-1]
        rate = custom.rate(self.db, source, unit, self.on) if source.category == "currency" else None
        total: Ratio = (0, 1)
        for amount, pair in zip(amounts, pairs, strict=True):
            total = exact.add(total, self._base(amount.number, pair))
        if rate is not None:
            total = exact.multiply(total, rate[0])
        ratio, irrational = self._in(total, source.pi * way, unit)
        shown = self._split(ratio, irrational, parts) if len(parts) > 1 else ()
        result, whole = self._text(ratio, irrational)
        if shown:
            result = " ".join(f"{p.value} {p.unit}" for p in shown)
            whole = whole and not self._rounds()
        return Conversion(
            written(_sum(amounts, pairs)),
            source.symbol,
            ";".join(u.symbol for u in parts),
            result,
            None if irrational else ratio,
            whole,
            unit.category if source.derived else source.category,
            asked,
            shown,
            *(rate[1:] if rate is not None else ()),
        )

    def _rounds(self) -> bool:
        return self.style.precision is not None or self.style.decimals is not None

    def _check_additive(self, pairs: list[Pair], parts: list[Unit]) -> None:
        """Raises Invalid where values cannot be added up or split: temperatures, reciprocals, currencies."""
        offsets = any(u.zero[0] for u in (*(p[0] for p in pairs), *parts)) and not self.delta
        upside_down = any(way < 0 for _, _, way in pairs)
        if offsets or upside_down or pairs[0][0].category == "currency":
            raise Invalid(
                f"Values in {pairs[0][0].symbol} cannot be added up or split.",
                hint="convert one value to one unit",
            )
        ratios = [exact.quotient(a.factor, b.factor) for a, b in pairwise(parts)]
        if any(num <= den for num, den in ratios):
            names = ";".join(u.symbol for u in parts)
            raise Invalid(f"{names!r} is not in order.", hint="name the larger unit first: 'lb;oz'")

    def _base(self, number: Ratio, pair: Pair) -> Ratio:
        """A value in coherent SI units, pi left out; its reciprocal where the target is upside down."""
        unit, _, way = pair
        base = exact.multiply(number, unit.factor)
        if not self.delta:
            base = exact.add(base, unit.zero)
            if unit.category == "temperature" and base[0] < 0:
                zero = written(exact.quotient(exact.negative(unit.zero), unit.factor))
                raise Invalid(
                    f"{written(number)} {unit.symbol} is below absolute zero ({zero} {unit.symbol}).",
                    hint="for a difference of temperatures add --delta",
                )
        if way < 0:
            if base[0] == 0:
                raise Invalid(f"0 {unit.symbol} has no reciprocal: the result would be infinite.")
            base = exact.reduced(base[1], base[0])
        return base

    def _in(self, base: Ratio, pi: int, unit: Unit) -> tuple[Ratio, bool]:
        """A base value in a unit, and whether pi makes that an approximation."""
        if not self.delta:
            base = exact.add(base, exact.negative(unit.zero))
        value = exact.quotient(base, unit.factor)
        power = pi - unit.pi
        if power == 0 or value[0] == 0:
            return value, False
        return exact.multiply(value, exact.power(exact.PI, power)), True

    def _text(self, ratio: Ratio, irrational: bool) -> tuple[str, bool]:
        """A result as asked for, and whether that is all of it."""
        precision, decimals, exactly = self.style
        if not irrational:
            return (
                (written(ratio), True)
                if exactly
                else exact.text(ratio, precision=precision, decimals=decimals)
            )
        if exactly:
            raise Invalid("That result has pi in it: no fraction is exact.", hint="use --precision 30")
        if decimals is None:
            precision = precision or exact.SIGNIFICANT
        text, _ = exact.text(ratio, precision=precision, decimals=decimals)
        if max(precision or 0, sum(c.isdigit() for c in text)) > exact.PI_DIGITS:
            raise Invalid(f"Results with pi in them are given to {exact.PI_DIGITS} digits at most.")
        return text, False

    def _split(self, ratio: Ratio, irrational: bool, parts: list[Unit]) -> tuple[Part, ...]:
        """A value of the last unit in several, whole numbers of the larger ones first: `5 ft 11 in`."""
        sizes = [self._in(u.factor, u.pi, parts[-1])[0] for u in parts]
        rest = (abs(ratio[0]), ratio[1])
        while True:
            counts, left = [], rest
            for size in sizes[:-1]:
                num, den = exact.quotient(left, size)
                counts.append(num // den)
                left = exact.add(left, exact.negative(exact.multiply((counts[-1], 1), size)))
            last, _ = self._text(left, irrational)
            rounded = exact.parse(last)
            num, den = exact.quotient(rounded, sizes[-2])
            if num < den:
                break
            # 11.99999999999 in rounds to 12 in, which is another foot.
            rest = exact.add(exact.add(rest, exact.negative(left)), rounded)
        texts = [*map(str, counts), last]
        if ratio[0] < 0:
            texts[0] = "-" + texts[0]
        return tuple(Part(text, unit.symbol) for text, unit in zip(texts, parts, strict=True))


def written(ratio: Ratio) -> str:
    """A number in full: as a decimal where it ends, else as a fraction."""
    return exact.text(ratio)[0] if exact.terminates(ratio[1]) else exact.fraction(ratio)


def _sum(amounts: tuple[quantity.Amount, ...], pairs: list[Pair]) -> Ratio:
    """What was typed, in the last of its units."""
    if len(amounts) == 1:
        return amounts[0].number
    total: Ratio = (0, 1)
    for amount, (unit, _, _) in zip(amounts, pairs, strict=True):
        total = exact.add(total, exact.multiply(amount.number, unit.factor))
    return exact.quotient(total, pairs[-1][0].factor)


def check(style: Style) -> None:
    """Raises Invalid for options that contradict each other or ask for too many digits."""
    given = [
        n
        for n, v in zip(("--precision", "--decimals", "--exact"), style, strict=True)
        if v not in (None, False)
    ]
    if len(given) > 1:
        raise Invalid(f"{' and '.join(given)} exclude each other.")
    if style.precision is not None and not 1 <= style.precision <= MAX_DIGITS:
        raise Invalid(f"--precision is 1 to {MAX_DIGITS}, not {style.precision}.")
    if style.decimals is not None and not 0 <= style.decimals <= MAX_DIGITS:
        raise Invalid(f"--decimals is 0 to {MAX_DIGITS}, not {style.decimals}.")
