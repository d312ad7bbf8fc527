-- Text as SQLite's unicode61 reads it (with remove_diacritics 2): words are runs of letters, digits and marks, compared
-- without case and without the accents of Latin letters. What PostgreSQL's parser would take for an address, a host, a
-- path or a signed number is taken apart first; of a word the first 200 characters count.
CREATE FUNCTION search_fold(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT regexp_replace(
    translate(
      lower(normalize(
        regexp_replace(
          regexp_replace(
            normalize(words, NFD),
            '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+',
            ' ', 'g'
          ),
          '([A-Za-z])[\u0300-\u036f]+', '\1', 'g'
        ),
        NFC
      )),
      'ςſµ', 'σsμ'
    ),
    '([^ ]{200})[^ ]+', '\1', 'g'
  )
$$;

-- Up to four columns, the first with the weight A. A tsvector holds one mebibyte, so 250,000 characters are indexed,
-- shared evenly by the columns that are there; within them phrases are found up to the 16,383rd word of a column.
CREATE FUNCTION search_document(a text, b text DEFAULT NULL, c text DEFAULT NULL, d text DEFAULT NULL)
RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE share integer := 250000 / greatest(num_nonnulls(a, b, c, d), 1);
BEGIN
  RETURN setweight(to_tsvector('simple', search_fold(left(coalesce(a, ''), share))), 'A')
    || setweight(to_tsvector('simple', search_fold(left(coalesce(b, ''), share))), 'B')
    || setweight(to_tsvector('simple', search_fold(left(coalesce(c, ''), share))), 'C')
    || setweight(to_tsvector('simple', search_fold(left(coalesce(d, ''), share))), 'D');
END
$$;
