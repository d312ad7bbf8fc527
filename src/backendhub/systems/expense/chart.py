"""Bars: in the terminal from block characters, in a file as SVG written by hand."""

from __future__ import annotations

from collections.abc import Sequence

from backendhub.kit.errors import Invalid

from .summary import Group, Summary

WIDTH = 28
BLOCKS = " ▏▎▍▌▋▊▉"
SVG_LABEL, SVG_BAR, SVG_ROW = 180, 420, 28


def bar(part: int, whole: int, width: int = WIDTH) -> str:
    """A bar of eighths of a character; nothing for nothing, a sliver for anything."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(8 * width * part // whole, 1)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def rows(groups: Sequence[Group]) -> list[str]:
    """One line a group: its name, what was spent, a bar against the largest of its currency, its share."""
    shown = [g for g in groups if g.spent.minor]
    if not shown:
        return []
    top: dict[str, int] = {}
    for group in shown:
        top[group.currency] = max(top.get(group.currency, 0), group.spent.minor)
    name = max(len(g.key) for g in shown)
    size = max(len(str(g.spent)) for g in shown)
    lines = []
    for group in shown:
        share = f"{group.share:>4}%" if group.share is not None else ""
        drawn = bar(group.spent.minor, top[group.currency])
        lines.append(f"{group.key:<{name}}  {group.spent!s:>{size}}  {drawn:<{WIDTH}} {share}".rstrip())
    return lines


def svg(summary: Summary, title: str) -> str:
    """A bar chart as an SVG document. Raises Invalid for several currencies at once: lengths must compare."""
    groups = [g for g in summary.groups if g.spent.minor > 0]
    if len({g.currency for g in groups}) > 1:
        raise Invalid("A chart compares one currency.", hint="add --in USD, or --currency EUR")
    top = max((g.spent.minor for g in groups), default=1)
    height = 56 + SVG_ROW * len(groups)
    width = SVG_LABEL + SVG_BAR + 110
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="30" font-size="17" font-weight="600" fill="#1f2933">{_text(title)}</text>',
    ]
    for number, group in enumerate(groups):
        y = 48 + SVG_ROW * number
        length = max(SVG_BAR * group.spent.minor / top, 1)
        lines += [
            f'<text x="{SVG_LABEL - 10}" y="{y + 15}" text-anchor="end" fill="#1f2933">'
            f"{_text(_short(group.key))}</text>",
            f'<rect x="{SVG_LABEL}" y="{y}" width="{length:.1f}" height="20" rx="3" fill="#3b7dd8"/>',
            f'<text x="{SVG_LABEL + length + 8:.1f}" y="{y + 15}" fill="#52606d">{_text(str(group.spent))}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _short(text: str, limit: int = 22) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(text: str) -> str:
    from html import escape

    from backendhub.kit.output import clean

    return escape(clean(text))
