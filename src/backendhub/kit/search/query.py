"""What people type into a search field, and what an engine is asked for it. No text is an error or an operator.

Words must all be there, in any order; the last one may be the beginning of a word. `"two words"` must stand together,
`wor*` is the beginning of a word anywhere, `-word` and `-"two words"` must be absent. What is glued by punctuation
(`e-mail`, `foo.bar`) must stand together too. A query without a word to look for finds nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .words import words

MAX_TERMS = 32
"""Terms of a query; further ones are left out, so that no text makes a query that takes long."""
MAX_WORD = 200
"""Characters of a word that count; a longer one is looked for by its beginning."""
_CHUNK = r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<plain>[^\s"]+))'


class Term(NamedTuple):
    """Words that must stand together; with `prefix` the last one may be the beginning of a longer word."""

    words: tuple[str, ...]
    prefix: bool = False
    excluded: bool = False


def parse(text: str) -> list[Term]:
    """The terms of a query."""
    chunks = [
        (m, said) for m in re.finditer(_CHUNK, text) if (said := words(m["phrase"] or m["plain"] or ""))
    ]
    found: list[Term] = []
    for place, (chunk, said) in enumerate(chunks[:MAX_TERMS], 1):
        plain, excluded = chunk["plain"], bool(chunk["minus"])
        long = next((i for i, word in enumerate(said) if len(word) > MAX_WORD), None)
        said = said[:MAX_TERMS] if long is None else [*said[:long], said[long][:MAX_WORD]]
        typing = plain is not None and ((place == len(chunks) and not excluded) or plain.endswith("*"))
        found.append(Term(tuple(said), typing or long is not None, excluded))
    return found


def render(text: str, dialect: str) -> str:
    """The query in the language of FTS5 or of `to_tsquery`; one that matches nothing where no word is wanted."""
    terms = parse(text)
    wanted = [t for t in terms if not t.excluded]
    unwanted = [t for t in terms if t.excluded]
    if not wanted:
        return '""' if dialect == "sqlite" else ""
    if dialect == "sqlite":
        query = " AND ".join(map(_fts5, wanted))
        return f"({query}) NOT ({' OR '.join(map(_fts5, unwanted))})" if unwanted else query
    return " & ".join([*map(_tsquery, wanted), *("!" + _tsquery(t) for t in unwanted)])


def _fts5(term: Term) -> str:
    """In double quotes nothing is an operator, and words hold no quotes."""
    return f'"{" ".join(term.words)}"' + ("*" if term.prefix else "")


def _tsquery(term: Term) -> str:
    *before, last = (f"'{word}'" for word in term.words)
    return "(" + " <-> ".join([*before, last + (":*" if term.prefix else "")]) + ")"
