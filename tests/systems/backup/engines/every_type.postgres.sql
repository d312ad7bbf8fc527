CREATE SCHEMA "odd ""schema"" -x";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', '🐘');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE pair AS (x integer, y text);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE SEQUENCE lonely START 42 INCREMENT 7;
CREATE TABLE every_type (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, serial_too serial,
    a smallint, b integer, c numeric(30, 10), d real, e double precision, f money, g text, h varchar(10),
    i char(5), j bytea, k timestamp, l timestamptz, m date, n time, o timetz, p interval, q boolean, r mood,
    s point, t line, u lseg, v box, w path, x polygon, y circle, z cidr, aa inet, ab macaddr, ac macaddr8,
    ad bit(3), ae varbit, af tsvector, ag tsquery, ah uuid, ai xml, aj json, ak jsonb, al integer[], am text[][],
    an int4range, ao nummultirange, ap tstzrange, aq pair, ar positive, ash span, at pg_lsn, au oid, av jsonpath,
    doubled integer GENERATED ALWAYS AS (b * 2) STORED
);
INSERT INTO every_type (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac,
    ad, ae, af, ag, ah, ai, aj, ak, al, am, an, ao, ap, aq, ar, ash, at, au, av) VALUES
 (1, 2, 12345678901234567890.0123456789, 'NaN', '-Infinity', 12.34, E'tab\tnew\nline\\N "q" ''s'' 🐘', 'short',
  'pad', '\x00ff5c', '2026-01-01 00:00:00.123456', 'infinity', '0044-03-15 BC', '24:00', '12:00+05:30',
  '1 year -2 days 03:04:05.6', true, '🐘', '(1,2)', '{1,2,3}', '[(0,0),(1,1)]', '((0,0),(1,1))',
  '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),2>', '10.0.0.0/8', '::1/64', '08:00:2b:01:02:03',
  '08:00:2b:01:02:03:04:05', B'101', B'10101', 'a fat cat', 'fat & cat',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '<a>b</a>', '{"a" : 1}', '{"b": [1, null]}', '{1,NULL,3}',
  '{{a,b},{"c d",NULL}}', '[1,5)', '{[1,2),[5,6)}', '[2026-01-01,)', '(1,"x,y")', 7, '[1.5,2.5]', '0/16B3748',
  4294967295, '$.a[*]');
INSERT INTO every_type (g) VALUES (NULL), (''), (E'\\.'), (repeat('long', 100000));
CREATE TABLE "a ""quoted"" 🐘
-x ../name\" ("select" integer PRIMARY KEY, "col ""q"" x" text DEFAULT 'it''s');
INSERT INTO "a ""quoted"" 🐘
-x ../name\" SELECT n, 'row ' || n FROM generate_series(1, 200) n;
CREATE TABLE "odd ""schema"" -x"."--help" (a integer REFERENCES "a ""quoted"" 🐘
-x ../name\", b text, UNIQUE (a, b), CHECK (length(b) < 1000));
INSERT INTO "odd ""schema"" -x"."--help" SELECT n, 'v' FROM generate_series(1, 100) n;
CREATE INDEX "index of '" ON "odd ""schema"" -x"."--help" (lower(b)) WHERE a > 3;
CREATE TABLE parts (day date NOT NULL, v integer) PARTITION BY RANGE (day);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE parts_b PARTITION OF parts DEFAULT;
CREATE INDEX ON parts (v);
INSERT INTO parts SELECT date '2026-01-20' + n, n FROM generate_series(1, 50) n;
CREATE TABLE parent (a integer); CREATE TABLE child (b integer) INHERITS (parent);
INSERT INTO child VALUES (1, 2);
CREATE UNLOGGED TABLE fleeting (a integer); INSERT INTO fleeting VALUES (1);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.b := NEW.b || ';'; RETURN NEW; END $f$;
CREATE TRIGGER "trigger ""t"" x" BEFORE INSERT ON "odd ""schema"" -x"."--help"
    FOR EACH ROW EXECUTE FUNCTION audit();
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE product(integer) (SFUNC = int4mul, STYPE = integer, INITCOND = '1');
CREATE VIEW rich AS SELECT id, doubled FROM every_type WHERE b > 1;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM every_type;
CREATE RULE no_delete AS ON DELETE TO child DO INSTEAD NOTHING;
ALTER TABLE parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON parent USING (a > 0);
CREATE STATISTICS both_columns ON a, b FROM every_type;
COMMENT ON COLUMN every_type.g IS 'a comment; with ''quotes''';
SELECT lo_from_bytea(0, decode(repeat('00ff', 5000), 'hex')), lo_from_bytea(123456, 'big');
SELECT setval('lonely', 777);
