CREATE FUNCTION hub_journal_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO hub_journal (unit_id, name, op, old, new)
  VALUES (
    current_setting('backendhub.unit')::bigint,
    TG_TABLE_NAME,
    lower(TG_OP),
    CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD)::text END,
    CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW)::text END
  );
  RETURN NULL;
END
$$;
