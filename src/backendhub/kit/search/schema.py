"""The text of the migration that gives a table its index. It is pasted, not run: a released migration never changes."""

from __future__ import annotations

from .index import Index

TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* Mn Mc Nd Nl'"

_SQLITE = """\
CREATE VIRTUAL TABLE {name} USING fts5 (
  {columns}, content = '{table}', content_rowid = 'id',
  tokenize = "{tokenizer}"
);
INSERT INTO {name} ({name}, rank) VALUES ('rank', 'bm25({weights})');
INSERT INTO {name} ({name}) VALUES ('rebuild');
CREATE TRIGGER {name}_i AFTER INSERT ON {table} BEGIN
  INSERT INTO {name} (rowid, {columns}) VALUES (NEW.id, {new});
END;
CREATE TRIGGER {name}_u AFTER UPDATE OF {columns} ON {table} BEGIN
  INSERT INTO {name} ({name}, rowid, {columns}) VALUES ('delete', OLD.id, {old});
  INSERT INTO {name} (rowid, {columns}) VALUES (NEW.id, {new});
END;
CREATE TRIGGER {name}_d AFTER DELETE ON {table} BEGIN
  INSERT INTO {name} ({name}, rowid, {columns}) VALUES ('delete', OLD.id, {old});
END;
"""

_POSTGRES = """\
-- needs: search
CREATE TABLE {name} (
  id BIGINT PRIMARY KEY REFERENCES {table} (id) ON DELETE CASCADE,
  document TSVECTOR NOT NULL
);
CREATE INDEX {name}_document ON {name} USING gin (document);
CREATE FUNCTION {name}_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO {name} (id, document) VALUES (NEW.id, search_document({new}))
  ON CONFLICT (id) DO UPDATE SET document = excluded.document;
  RETURN NULL;
END
$$;
CREATE TRIGGER {name}_write AFTER INSERT OR UPDATE OF {columns} ON {table}
  FOR EACH ROW EXECUTE FUNCTION {name}_write();
INSERT INTO {name} (id, document) SELECT id, search_document({columns}) FROM {table};
"""


def schema(index: Index, *, table: str, dialect: str) -> str:
    """The migration for an index over columns of one table, whose primary key is an integer called `id`."""
    columns = list(index.weights)
    return {"sqlite": _SQLITE, "postgres": _POSTGRES}[dialect].format(
        name=index.name,
        table=table,
        tokenizer=TOKENIZER,
        columns=", ".join(columns),
        new=", ".join(f"NEW.{c}" for c in columns),
        old=", ".join(f"OLD.{c}" for c in columns),
        weights=", ".join(f"{float(w):g}" if w % 1 else f"{w:.1f}" for w in index.weights.values()),
    )
