"""Files in and out for the terminal: finds the format, shows progress, writes exports piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backendhub.kit import hub, rates
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import formats, service
from .importing import Imported, add_drafts
from .models import Expense, Filter

if TYPE_CHECKING:
    from .formats import Draft


def read_bytes(name: str) -> bytes:
    """A file or, for `-`, stdin. Raises NotFound, Invalid."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:  # noqa: PTH123 (pathlib costs an import)
            return file.read()
    except FileNotFoundError:
        raise NotFound(f"There is no file {name}.") from None
    except OSError as error:
        raise Invalid(f"The file {name} cannot be read: {error.strerror}.") from None


def drafts_of(
    data: bytes, format: str | None, name: str, options: Mapping[str, Any], currency: str
) -> list[Draft]:
    """The rows of a file in any format that is read. Raises Invalid naming the line."""
    text = formats.decode(data)
    kind = (format or formats.guess(name, text)).lower()
    if kind == "csv":
        columns = formats.column_map(options["map"]) if options.get("map") else None
        kept = {k: options.get(k) for k in ("delimiter", "decimal", "dates")}
        if (mark := kept["delimiter"]) is not None and len(mark.replace("\\t", "\t")) != 1:
            raise Invalid(f"{mark!r} is not one character.", hint="--delimiter ';'")
        kept["delimiter"] = mark.replace("\\t", "\t") if mark else None
        layout = formats.Layout(columns, **kept, currency=currency, sign=options.get("sign") or "auto")
        return formats.read_csv(text, layout)
    if kind == "json":
        return formats.read_json(text, currency)
    if kind in ("ofx", "qfx"):
        from .ofx import read_ofx

        return read_ofx(data)
    raise Invalid(f"There is no format {kind!r} to import.", hint="choose from " + ", ".join(formats.READS))


def import_file(
    name: str, format: str | None, options: Mapping[str, Any], currency: str, *, dry_run: bool
) -> Imported | None:
    """`expense import`: all or nothing; a rehearsal prints what each row would become."""
    output = hub.output()
    drafts = drafts_of(read_bytes(name), format, name, options, currency)
    run = hub.rehearse if dry_run else hub.unit
    with output.progress("Importing", total=len(drafts)) as progress:
        done = run(add_drafts, drafts, progress=progress)
    if not dry_run:
        return done
    output.note(
        f"{done.added} of {len(drafts)} would be imported, {done.skipped} already there; nothing was changed."
    )
    shown = ("where", "status", "date", "kind", "description", "amount", "currency", "category", "reason")
    output.show(done.rows, shown)
    return None


def export_text(db: Db, wanted: Filter, format: str) -> Iterator[str]:
    """Entries as a file, piece by piece, in the order of their dates. Raises Invalid for an unknown format."""
    if format not in formats.WRITES:
        raise Invalid(f"There is no format {format!r}.", hint="choose from " + ", ".join(formats.WRITES))
    entries: Sequence[Expense] = service.find_all(db, wanted, sort="date")
    if format == "csv":
        return formats.write_csv(entries)
    if format == "json":
        return formats.write_json(entries)
    from .journals import WRITERS

    return WRITERS[format](entries, rates.find_all(db))


def export(wanted: Filter, format: str) -> None:
    """`expense export`: to stdout, byte for byte."""
    output = hub.output()
    for piece in hub.read(export_text, wanted, format):
        output.raw(piece)
