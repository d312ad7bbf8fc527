-- Kind, number and text of a path go together. Without knowing that, PostgreSQL takes a condition on a field for one in
-- hundreds, gathers all that fit and sorts them, where walking along the order finds a page at once.
CREATE STATISTICS resources_field_together (mcv) ON resource_id, path, kind, num, key FROM resources_field;
