"""Summaries in words: the one line, the bars, the monthly report, the chart file."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.kit.errors import Invalid
from backendhub.kit.money import Money

from . import chart
from .summary import Summary


def _sum(amounts: Sequence[Money], fallback: str = "USD") -> str:
    return " + ".join(str(m) for m in amounts if m.minor) or str(
        Money(0, amounts[0].currency if amounts else fallback)
    )


def headline(result: Summary, what: str, amounts: Sequence[Money]) -> str:
    """`Total expenses for August: $20`."""
    name = result.period.name
    return f"Total {what}{f' for {name}' if name else ''}: {_sum(amounts, result.into or 'USD')}"


def valuation(result: Summary) -> list[str]:
    """Which rates were used, and of which days."""
    if not result.rates:
        return []
    pairs: dict[tuple[str, str], list[str]] = {}
    for rate in result.rates:
        pairs.setdefault((rate.base, rate.quote), []).append(f"{rate.decimal} of {rate.date}")
    texts = []
    for (base, quote), used in pairs.items():
        distinct = list(dict.fromkeys(used))
        shown = distinct[0] if len(distinct) == 1 else f"{distinct[0]} … {distinct[-1]}"
        texts.append(f"{base} in {quote}: {shown}")
    return [f"Valued {result.value}: " + "; ".join(texts)]


def summary_text(result: Summary, *, table: bool) -> str:
    """What `summary` prints: on a terminal with bars, in a pipe the groups as tab-separated lines."""
    if result.by is not None and not table:
        return "\n".join(
            f"{g.key}\t{g.spent}\t{'' if g.share is None else f'{g.share}%'}" for g in result.groups
        )
    lines = [headline(result, "expenses", result.spent)]
    if result.income:
        lines += [headline(result, "income", result.income), f"Net: {_sum(result.net)}"]
    lines += valuation(result)
    return "\n".join(lines + (chart.rows(result.groups) if result.by is not None else []))


def report_text(result: Summary) -> str:
    """What `report` prints: totals, bars and the budgets of the period."""
    name = result.period.name or "All"
    lines = [name, "─" * len(name), f"Spent   {_sum(result.spent, result.into or 'USD')}"]
    if result.income:
        lines += [f"Earned  {_sum(result.income)}", f"Net     {_sum(result.net)}"]
    lines += valuation(result)
    if bars := chart.rows(result.groups):
        lines += ["", *bars]
    if result.budgets:
        lines += ["", "Budgets"]
    for status in result.budgets:
        share = f" ({status.percent}%)" if status.percent is not None else ""
        over = ", exceeded" if status.exceeded else f", {status.left} left"
        drawn = chart.bar(min(status.spent.minor, status.limit.minor), status.limit.minor, 20)
        lines.append(f"{status.title}: {status.spent} of {status.limit}{share}{over}  {drawn}".rstrip())
    return "\n".join(lines)


def write_chart(result: Summary, path: str) -> None:
    """Writes the chart file. Raises Invalid where it cannot be written or is no SVG."""
    if not path.lower().endswith(".svg"):
        raise Invalid(f"A chart is an SVG file, and {path!r} is not named like one.", hint="--chart out.svg")
    text = chart.svg(result, headline(result, "expenses", result.spent))
    try:
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 (pathlib costs an import)
            file.write(text)
    except OSError as error:
        raise Invalid(f"The chart {path} cannot be written: {error.strerror}.") from None
