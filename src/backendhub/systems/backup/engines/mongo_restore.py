"""Restoring collections: under temporary names first, counted, then renamed into place."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.backup.models import CORRUPT, BackupError
from backendhub.systems.backup.streams import Reader, Source

from .base import Deadline

LARGEST = 16 * 1024 * 1024 + 16 * 1024
BATCH_ROWS, BATCH_BYTES = 1000, 8 * 1024 * 1024


def restore(
    source: Source, database: Any, tables: Sequence[str] | None, *, replace: bool, limits: Deadline
) -> list[str]:
    """Restores all collections or the chosen ones; nothing visible changes until all of them are in."""
    stored: dict[str, dict[str, Any]] = source.meta["tables"]
    chosen = list(tables) if tables else list(stored)
    if absent := [name for name in chosen if name not in stored]:
        raise NotFound(f"The backup has no collection {', '.join(absent)}.")
    here = {row["name"]: row.get("type", "collection") for row in database.list_collections()}
    taken = [name for name in chosen if name in here] if tables else [name for name in here]
    if taken and not replace:
        raise Conflict(f"Already in the target: {', '.join(taken)}.", hint="--replace overwrites them.")
    mark = f"hub_restore_{uuid.uuid4().hex[:8]}"
    records = {name: _metadata(source, name) for name in chosen}
    aside = {name: f"{mark}_{n}" for n, name in enumerate(chosen) if stored[name]["kind"] != "view"}
    try:
        for name, temporary in aside.items():
            _fill(source, database, name, temporary, records[name], limits)
        _swap(database, chosen, aside, records, here, whole=not tables)
    finally:
        for temporary in aside.values():
            database.drop_collection(temporary)
    return chosen if tables else []


def _metadata(source: Source, name: str) -> dict[str, Any]:
    from bson import json_util

    with source.open(f"{source.meta['files'][name]}.metadata.json") as reader:
        found: dict[str, Any] = json_util.loads(
            reader.read().decode(), json_options=json_util.CANONICAL_JSON_OPTIONS
        )
    return found


def _fill(
    source: Source, database: Any, name: str, temporary: str, record: dict[str, Any], limits: Deadline
) -> None:
    database.command({"create": temporary, **record["options"]})
    rows = 0
    with source.open(f"{source.meta['files'][name]}.bson") as reader:
        for batch in _batches(reader):
            limits.check(f"restoring {name}")
            database[temporary].insert_many(batch, ordered=True, bypass_document_validation=True)
            rows += len(batch)
    if rows != source.meta["tables"][name]["rows"]:
        raise BackupError(
            f"{name}: {source.meta['tables'][name]['rows']} documents stored, {rows} read.", CORRUPT
        )
    if indexes := [index for index in record["indexes"] if index["name"] != "_id_"]:
        database.command({"createIndexes": temporary, "indexes": indexes})
    found = database[temporary].estimated_document_count()
    if found != rows:
        raise BackupError(f"{name}: {rows} documents sent, {found} arrived.", CORRUPT)


def _swap(
    database: Any,
    chosen: list[str],
    aside: dict[str, str],
    records: dict[str, dict[str, Any]],
    here: dict[str, str],
    *,
    whole: bool,
) -> None:
    for name in here:
        # A view cannot be renamed over, and a whole restore leaves nothing that the backup does not have.
        if (name in chosen and here[name] == "view") or (whole and name not in chosen):
            database.drop_collection(name)
    for name, temporary in aside.items():
        database[temporary].rename(name, dropTarget=True)
    for name in chosen:
        if name not in aside:
            if here.get(name, "view") != "view":
                database.drop_collection(name)
            database.command({"create": name, **records[name]["options"]})


def _batches(reader: Reader) -> Iterator[list[Any]]:
    from bson.raw_bson import RawBSONDocument

    batch: list[Any] = []
    size = 0
    for document in _read(reader):
        batch.append(RawBSONDocument(document))
        size += len(document)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(reader: Reader) -> Iterator[bytes]:
    """Documents one by one; a declared length beyond what MongoDB allows is not believed."""
    while head := _exactly(reader, 4):
        size = int.from_bytes(head, "little")
        if len(head) < 4 or not 5 <= size <= LARGEST:
            raise BackupError("A BSON document has an impossible length.", CORRUPT)
        rest = _exactly(reader, size - 4)
        if len(rest) != size - 4 or rest[-1] != 0:
            raise BackupError("A BSON document is cut short.", CORRUPT)
        yield head + rest


def _exactly(reader: Reader, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (data := reader.read(size - len(parts))):
        parts += data
    return bytes(parts)
