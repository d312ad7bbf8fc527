SET sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION';
CREATE TABLE every_type (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, a tinyint, b smallint unsigned, c mediumint, d int zerofill,
    e decimal(30, 10), f float, g double, h bit(10), i boolean, j char(5), k varchar(50), l tinytext, m longtext,
    n binary(4), o varbinary(20), p blob, q longblob, r date, s time(6), t datetime(6), u timestamp(6) NULL, v year,
    w enum('a', 'it''s', '☃'), x set('p', 'q', 'r'), y json, z point, aa polygon, ab uuid, ac inet6,
    doubled int GENERATED ALWAYS AS (b * 2) STORED, tripled int GENERATED ALWAYS AS (b * 3) VIRTUAL,
    hidden int INVISIBLE DEFAULT 5, UNIQUE KEY (k), KEY (j, b), FULLTEXT KEY (m), CHECK (a < 100)
) COMMENT 'with ''quotes'' and\na newline';
INSERT INTO every_type (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac) VALUES
 (1, 2, -3, 4, 12345678901234567890.0123456789, 1.5, -2.25e-300, b'1010101010', true, 'pad', 'tab\tnl\n"q"''s''\\ 🐘',
  '', repeat('long ', 100000), x'00ff0a0d', x'00275c22', x'', x'000102', '0044-03-15', '-838:59:59.999999',
  '2026-01-01 00:00:00.123456', '2026-06-01 12:00:00.5', 2026, '☃', 'p,r', '{"a": [1, null]}', POINT(1, 2),
  ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))'), uuid(), '::1');
INSERT INTO every_type (k) VALUES (NULL), (NULL), ('-- Table structure for table `no`');
CREATE TABLE `a ``quoted`` 'x' ☃
-x ../name\` (`select` int PRIMARY KEY, `col ``q``` text);
INSERT INTO `a ``quoted`` 'x' ☃
-x ../name\` SELECT seq, concat('row ', seq) FROM seq_1_to_200;
CREATE TABLE `--help` (a int, b text, KEY (a), CONSTRAINT fk FOREIGN KEY (a) REFERENCES `a ``quoted`` 'x' ☃
-x ../name\` (`select`));
INSERT INTO `--help` SELECT seq, 'v' FROM seq_1_to_100;
CREATE TABLE parts (day date NOT NULL, v int) PARTITION BY RANGE (to_days(day))
    (PARTITION p0 VALUES LESS THAN (to_days('2026-02-01')), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts SELECT '2026-01-20' + INTERVAL seq DAY, seq FROM seq_1_to_50;
CREATE TABLE versioned (id int PRIMARY KEY, x int) WITH SYSTEM VERSIONING;
INSERT INTO versioned VALUES (1, 1); UPDATE versioned SET x = 2; UPDATE versioned SET x = 3;
CREATE SEQUENCE numbers START WITH 42 INCREMENT BY 7; SELECT NEXTVAL(numbers);
CREATE TABLE audit (note text);
DELIMITER //
CREATE TRIGGER `trigger ``t``` BEFORE INSERT ON `--help` FOR EACH ROW BEGIN
-- Table structure for table `fake`
SET NEW.b = concat(NEW.b, ';'); END//
CREATE PROCEDURE add_two(IN a int, OUT b int) BEGIN SET b = a + 2; END//
CREATE FUNCTION plus_one(a int) RETURNS int DETERMINISTIC RETURN a + 1//
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO INSERT INTO audit VALUES ('x')//
DELIMITER ;
CREATE VIEW rich AS SELECT id, doubled FROM every_type WHERE b > 1;
CREATE VIEW richer AS SELECT rich.id, plus_one(doubled) AS n FROM rich;
