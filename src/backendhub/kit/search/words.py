"""What a word is: a run of letters, digits and marks, compared without case and without the accents of Latin letters.

The engines' own tokenizers are told the same, so that what Python marks in a snippet is what they have found.
"""

from __future__ import annotations

import re

KEPT = ("L", "M", "Nd", "Nl")
"""The Unicode categories that words are made of; the same list stands in the tokenizer of `schema`."""
_WORD = "[A-Za-z0-9][A-Za-z0-9_]*"
_ACCENT = "([A-Za-z])[\u0300-\u036f]+"
_SAME = str.maketrans("ςſµ", "σsμ")
"""Letters that case folding knows as one, and lower() as two."""


def spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end."""
    # A mask of the same length: x for a letter or digit, _ for a mark. The places of its words are those of the text's.
    mask: dict[int, str] = {ord("_"): " "}
    if not text.isascii():
        from unicodedata import category

        kinds = {c: category(c) for c in set(text) if c > "\x7f"}
        mask |= {
            ord(c): ("_" if k[0] == "M" else "x") if k.startswith(KEPT) else " " for c, k in kinds.items()
        }
    text = text.translate(mask)
    return [match.span() for match in re.finditer(_WORD, text)]


def fold(word: str) -> str:
    """A word as it is compared: lower case, Latin letters without accents, composed (NFC)."""
    if word.isascii():
        return word.lower()
    from unicodedata import normalize

    bare = re.sub(_ACCENT, r"\1", normalize("NFD", word))
    return normalize("NFC", bare).lower().translate(_SAME)


def words(text: str) -> list[str]:
    """The words of a text, folded, in order."""
    return [fold(text[start:end]) for start, end in spans(text)]
