"""What the parts of the service share: who may do what, how refusals name their subject, what a text may hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backendhub.kit.errors import Conflict, Denied, Invalid, NotFound
from backendhub.kit.identity import Principal

ADMIN, WRITER, READER = "admin", "writer", "reader"
MAX_TITLE, MAX_ABOUT, MAX_TEXT, MAX_COMMENT, MAX_WORD, MAX_TAGS = 300, 1_000, 200_000, 20_000, 100, 50


def missing(subject: str, name: object) -> NotFound:
    """There is no such article, comment or profile."""
    return NotFound(f"There is no {subject} {str(name)[:100]!r}.", subject=subject)


@contextmanager
def while_there(subject: str, name: object) -> Iterator[None]:
    """What hangs on an article or a person that somebody deletes at this moment finds it gone. Raises NotFound."""
    try:
        yield
    except Conflict:
        raise missing(subject, name) from None


def refused(subject: str, reason: str) -> Denied:
    """Somebody may not do this with an article, a comment or a profile."""
    return Denied(reason, subject=subject)


def bad(field: str, code: str, detail: str) -> Invalid:
    """A value of a field breaks a rule; `detail` reads on from the field's name: `can't be blank`."""
    errors = [{"in": "body", "pointer": f"/{field}", "code": code, "detail": detail}]
    return Invalid(f"{field}: {detail}.", errors=errors)


def require_writer(who: Principal) -> None:
    """Raises Denied for readers. Everybody is a writer who is not made a reader."""
    if who.is_(READER) and not who.is_(ADMIN, WRITER):
        raise refused("article", "Readers comment and favourite; they do not write.")


def owns(who: Principal | None, author_id: str) -> bool:
    """Whether somebody may change what this author wrote: the author, and administrators."""
    return who is not None and (who.id == author_id or who.is_(ADMIN))


def text(field: str, value: str, longest: int) -> str:
    """A text with something in it, as it was written. Raises Invalid."""
    if not value.strip():
        raise bad(field, "blank", "can't be blank")
    if len(value) > longest:
        raise bad(field, "too_long", f"is too long (maximum is {longest:,} characters)")
    if "\x00" in value:
        raise bad(field, "invalid", "holds a NUL character")
    return value


def word(field: str, value: str | None) -> str | None:
    """A short name without white space around it; None for nothing. Raises Invalid."""
    if value is None or not (stripped := value.strip()):
        return None
    return text(field, stripped, MAX_WORD)
