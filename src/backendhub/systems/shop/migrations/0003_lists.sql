-- Each order that a listing may be asked for is walked in an index, with the rows' ids in it: a deep page is cheap.
CREATE INDEX shop_product_status_title ON shop_product (status, title, id);
CREATE INDEX shop_product_status_updated ON shop_product (status, updated_at, id);
CREATE INDEX shop_product_title ON shop_product (title, id);
CREATE INDEX shop_product_updated ON shop_product (updated_at, id);
DROP INDEX shop_product_collection;
CREATE INDEX shop_product_collection ON shop_product (collection_id, id, status);
CREATE INDEX shop_variant_sold ON shop_variant (deleted_at, id);
DROP INDEX shop_cart_customer;
CREATE INDEX shop_cart_customer ON shop_cart (customer_id, state, id);
