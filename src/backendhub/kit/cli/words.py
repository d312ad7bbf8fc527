"""What commands read: ids, lines, files, a yes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from typer.exceptions import Exit

from backendhub.kit.errors import Invalid, NotFound

from .declared import Usage


def ids(words: Iterable[str]) -> list[int]:
    """Numbers as people type them: `3`, `1,3-5`, several words, or `-` for one per line of stdin.

    In order, each once. Raises Invalid for anything else.
    """
    found: dict[int, None] = {}
    for word in words:
        for part in lines([word]) if word == "-" else word.split(","):
            match = re.fullmatch(r"\s*#?(\d{1,18})(?:-(\d{1,18}))?\s*", part)
            if match is None:
                raise Invalid(
                    f"{part.strip()!r} is not an id.", hint="write 3, 1,3-5 or - to read ids from stdin"
                )
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first or last - first >= 100_000:
                raise Invalid(f"{part.strip()!r} is not a range of ids.", hint="write 3-5")
            found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)


def lines(words: Iterable[str]) -> list[str]:
    """The words, with `-` replaced by the non-empty lines of stdin."""
    found: list[str] = []
    for word in words:
        if word == "-":
            found += [line for line in (raw.strip() for raw in sys.stdin) if line]
        else:
            found.append(word)
    return found


def read_file(name: str) -> str:
    """A UTF-8 text file or, for `-`, stdin. Raises NotFound, Invalid."""
    try:
        if name == "-":
            return sys.stdin.read()
        with open(name, encoding="utf-8-sig", newline="") as file:  # noqa: PTH123 (pathlib costs an import)
            return file.read()
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"The file {name} cannot be read: {error}.") from None


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal; elsewhere `--yes` must have been given. Raises Usage where it was not, Exit on no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Usage("This needs a confirmation and there is no terminal to ask.", hint="add --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(1)
