-- All that a row says, in lower case: what `q` looks through. Rows that are there get it from their entries.
ALTER TABLE resources_row ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE resources_row SET search = coalesce((
  SELECT string_agg(f.fold, chr(31)) FROM resources_field f
  WHERE f.row_id = resources_row.id AND f.kind <= 3 AND NOT (f.kind = 1 AND f.num = 0)
), '');
