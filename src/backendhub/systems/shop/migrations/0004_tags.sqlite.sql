-- Which products have a tag; a product's own row has all of its tags, to be shown.
CREATE TABLE shop_product_tag (
  tag TEXT NOT NULL,
  product_id TEXT NOT NULL REFERENCES shop_product (id) ON DELETE CASCADE,
  PRIMARY KEY (tag, product_id)
);
CREATE INDEX shop_product_tag_product ON shop_product_tag (product_id);
INSERT INTO shop_product_tag (tag, product_id)
SELECT DISTINCT t.value, p.id FROM shop_product p, json_each(p.tags) AS t;
