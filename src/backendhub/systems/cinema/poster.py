"""Posters for films that bring none: a title on a colour of its own."""

from __future__ import annotations

from hashlib import sha256
from html import escape
from textwrap import wrap

from .films import Movie


def svg(movie: Movie) -> str:
    """A picture of 400 × 600."""
    digest = sha256(movie.title.encode()).digest()
    hue = int.from_bytes(digest[:2]) % 360
    lines = wrap(movie.title, 14)[:6] or [movie.title[:14]]
    words = "".join(
        f'<text x="200" y="{300 - 26 * (len(lines) - 1) + 52 * n}">{escape(line)}</text>'
        for n, line in enumerate(lines)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 600" role="img">'
        f"<title>{escape(movie.title)}</title>"
        f'<rect width="400" height="600" fill="hsl({hue} 45% 24%)"/>'
        f'<circle cx="{80 + digest[2]}" cy="{90 + digest[3]}" r="{60 + digest[4] // 3}" fill="hsl({(hue + 40) % 360} 60% 45%)"/>'
        f'<g font-family="system-ui,sans-serif" font-size="42" font-weight="700" fill="#fff" text-anchor="middle">{words}</g>'
        f'<text x="200" y="560" font-family="system-ui,sans-serif" font-size="22" fill="#fff" text-anchor="middle">'
        f"{movie.minutes} min</text></svg>"
    )
