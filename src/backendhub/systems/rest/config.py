"""How a set is served: the settings of `rest`, read once for a process, with the files that they name."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub
from backendhub.kit.resources import files, schemas, service, values
from backendhub.kit.resources.models import DataSet, Rules
from backendhub.kit.settings import Settings

from .rewrite import Rewriter

DIALECTS = ("v0", "v1")
MAX_DELAY_MS = 10_000
DEFAULT = "default"
"""The set that is served where no file is named."""


@dataclass(slots=True)
class Config:
    """What a process serves, and how. `changed_at` is when it last wrote, for whoever saves to the file."""

    set_name: str
    paths: list[Path]
    rules: Rules
    version: int
    strict: bool
    read_only: bool
    pretend: bool
    delay_ms: float
    watch: bool
    save: bool
    reload: bool
    schemas: dict[str, dict[str, Any]]
    rewriter: Rewriter | None
    changed_at: float = float("-inf")
    stamp: tuple[tuple[int, int], ...] = ()
    _set_id: int | None = field(default=None)

    def note_change(self) -> None:
        """Says that something is being written."""
        self.changed_at = time.monotonic()

    def set_id(self, db: Db, *, create: bool = False) -> int | None:
        """The id of the set in the store; None where there is none yet."""
        if self._set_id is None:
            found = service.find_set(db, self.set_name)
            if found is None and create:
                return service.data_set(db, self.set_name).id  # not kept: the transaction may still fail
            self._set_id = found.id if found else None
        return self._set_id


def of(hub: Hub) -> Config:
    """The configuration of this process."""
    return hub.memory("rest", lambda: read(hub.settings))


def read(settings: Settings) -> Config:
    """Reads the settings and the files that they name. Raises Invalid, NotFound."""
    dialect = settings.get("rest.dialect") or "v0"
    if dialect not in DIALECTS:
        raise Invalid(
            f"There is no dialect {dialect!r}.", hint="--dialect v0 (json-server 0.17) or v1 (version 1)"
        )
    delay = settings.number("rest.delay")
    if not 0 <= delay <= MAX_DELAY_MS:
        raise Invalid(f"A delay is from 0 to {MAX_DELAY_MS:,} milliseconds.")
    id = settings.get("rest.id") or "id"
    schema = settings.get("rest.schema")
    found = schemas.of_resources(_json(schema)) if schema else {}
    routes = settings.get("rest.routes")
    named = [path for path in (settings.get("rest.files") or "").split(os.pathsep) if path]
    config = Config(
        set_name=os.pathsep.join(named) or DEFAULT,
        paths=files.expand(named),
        rules=Rules(
            id=id,
            suffix=settings.get("rest.foreign_key_suffix") or "Id",
            random_ids=dialect == "v1",
            references=settings.flag("rest.references"),
            check=schemas.Validators(found, id=id).check if found else None,
        ),
        version=DIALECTS.index(dialect),
        strict=settings.flag("rest.strict"),
        read_only=settings.flag("rest.read_only"),
        pretend=settings.flag("rest.pretend"),
        delay_ms=delay,
        watch=settings.flag("rest.watch"),
        save=settings.flag("rest.save"),
        reload=settings.flag("rest.reload"),
        schemas=found,
        rewriter=Rewriter(_json(routes)) if routes else None,
    )
    if (config.watch or config.reload) and not named:
        raise Invalid("There is no file to load.", hint="backendhub serve rest db.json --watch")
    if config.save and [path.suffix for path in config.paths] != [".json"]:
        raise Invalid("--save needs one .json file to write to.", hint="backendhub serve rest db.json --save")
    return config


def _json(path: str) -> Any:
    try:
        return values.read(Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}") from None


def file_hash(config: Config) -> str:
    """A hash of the files, and of the rules by which they are read."""
    return f"{files.digest(config.paths)}:{config.rules.id}:{config.rules.random_ids:d}"


def load(db: Db, config: Config) -> DataSet:
    """Loads the files anew; what was in the set goes."""
    return service.load(
        db, config.set_name, files.read(config.paths), config.rules, file_hash=file_hash(config)
    )
