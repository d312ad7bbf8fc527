-- needs: accounts reservation jobs outbox idempotency
-- Amounts are integers in minor units of the row's currency. Stock is in the kit's reservations: the resource is the
-- variant's id, the place the location's, and each order line has a hold of its own, called as the line is.
CREATE TABLE shop_key (
  id TEXT PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  created_at TEXT NOT NULL,
  revoked_at TEXT
);

CREATE TABLE shop_region (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CHECK (name <> ''),
  currency TEXT NOT NULL,
  tax_inclusive BOOLEAN NOT NULL,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE TABLE shop_country (
  iso2 TEXT PRIMARY KEY, -- lower case, as Medusa has it
  region_id TEXT NOT NULL REFERENCES shop_region (id)
);
CREATE INDEX shop_country_region ON shop_country (region_id);
CREATE TABLE shop_tax_rate (
  country TEXT NOT NULL,
  province TEXT NOT NULL, -- '' for the whole country
  rate TEXT NOT NULL, -- percent, a decimal number
  name TEXT NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (country, province)
);

CREATE TABLE shop_collection (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  handle TEXT NOT NULL UNIQUE,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE TABLE shop_category (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  handle TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  parent_id TEXT REFERENCES shop_category (id),
  path TEXT NOT NULL, -- ids from the root, each followed by a dot
  rank BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_category_path ON shop_category (path);

CREATE TABLE shop_product (
  id TEXT PRIMARY KEY,
  handle TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL CHECK (title <> ''),
  subtitle TEXT,
  description TEXT,
  status TEXT NOT NULL CHECK (status IN ('draft', 'proposed', 'published', 'rejected')),
  thumbnail TEXT,
  images TEXT NOT NULL, -- JSON list of addresses
  options TEXT NOT NULL, -- JSON list of {id, title, values: [{id, value}]}
  tags TEXT NOT NULL, -- JSON list of words
  material TEXT,
  weight BIGINT,
  origin_country TEXT,
  collection_id TEXT REFERENCES shop_collection (id),
  discountable BOOLEAN NOT NULL,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_product_collection ON shop_product (collection_id, id);
CREATE INDEX shop_product_status ON shop_product (status, id);
CREATE TABLE shop_product_category (
  product_id TEXT NOT NULL REFERENCES shop_product (id) ON DELETE CASCADE,
  category_id TEXT NOT NULL REFERENCES shop_category (id) ON DELETE CASCADE,
  PRIMARY KEY (product_id, category_id)
);
CREATE INDEX shop_product_category_category ON shop_product_category (category_id, product_id);
CREATE TABLE shop_variant (
  id TEXT PRIMARY KEY,
  product_id TEXT NOT NULL REFERENCES shop_product (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  sku TEXT UNIQUE,
  barcode TEXT,
  options TEXT NOT NULL, -- JSON object: title of the option → value
  manage_inventory BOOLEAN NOT NULL,
  allow_backorder BOOLEAN NOT NULL,
  rank BIGINT NOT NULL,
  weight BIGINT,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  deleted_at TEXT
);
CREATE INDEX shop_variant_product ON shop_variant (product_id, rank, id);
-- What a product is found by: one row each, kept by the service.
CREATE TABLE shop_document (
  id {pk},
  product_id TEXT NOT NULL UNIQUE REFERENCES shop_product (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  words TEXT NOT NULL, -- SKUs, options, categories, collection, tags
  body TEXT NOT NULL
);

CREATE TABLE shop_price_list (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  type TEXT NOT NULL CHECK (type IN ('sale', 'override')),
  status TEXT NOT NULL CHECK (status IN ('active', 'draft')),
  starts_at TEXT,
  ends_at TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE TABLE shop_price (
  id TEXT PRIMARY KEY,
  variant_id TEXT NOT NULL REFERENCES shop_variant (id) ON DELETE CASCADE,
  price_list_id TEXT REFERENCES shop_price_list (id) ON DELETE CASCADE,
  region_id TEXT REFERENCES shop_region (id),
  currency TEXT NOT NULL,
  min_quantity BIGINT NOT NULL CHECK (min_quantity >= 1),
  amount BIGINT NOT NULL CHECK (amount >= 0)
);
CREATE UNIQUE INDEX shop_price_one
  ON shop_price (variant_id, currency, coalesce(price_list_id, ''), coalesce(region_id, ''), min_quantity);
CREATE INDEX shop_price_list_prices ON shop_price (price_list_id);

CREATE TABLE shop_location (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL CHECK (name <> ''),
  address TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE shop_promotion (
  id TEXT PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  automatic BOOLEAN NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('percentage', 'fixed', 'free_shipping')),
  percent TEXT, -- a decimal number
  amount BIGINT CHECK (amount > 0),
  currency TEXT,
  min_subtotal BIGINT NOT NULL CHECK (min_subtotal >= 0),
  products TEXT NOT NULL, -- JSON list of ids; empty: all
  label TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'draft', 'inactive')),
  starts_at TEXT,
  ends_at TEXT,
  usage_limit BIGINT CHECK (usage_limit >= 0),
  used BIGINT NOT NULL CHECK (used >= 0),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  CHECK (usage_limit IS NULL OR used <= usage_limit),
  CHECK ((kind = 'percentage') = (percent IS NOT NULL)),
  CHECK ((kind = 'fixed') = (amount IS NOT NULL AND currency IS NOT NULL))
);
CREATE INDEX shop_promotion_automatic ON shop_promotion (id) WHERE automatic;

CREATE TABLE shop_shipping_option (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  code TEXT NOT NULL, -- the level of service: standard, express
  countries TEXT NOT NULL, -- JSON list; empty: everywhere
  rank BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE TABLE shop_shipping_price (
  option_id TEXT NOT NULL REFERENCES shop_shipping_option (id) ON DELETE CASCADE,
  currency TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (option_id, currency)
);

CREATE TABLE shop_customer (
  id TEXT PRIMARY KEY,
  user_id TEXT UNIQUE REFERENCES accounts_user (id) ON DELETE SET NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  first_name TEXT,
  last_name TEXT,
  phone TEXT,
  company_name TEXT,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_customer_email ON shop_customer (email_key, id);
CREATE TABLE shop_address (
  id TEXT PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES shop_customer (id) ON DELETE CASCADE,
  address TEXT NOT NULL, -- JSON object
  name TEXT NOT NULL,
  default_shipping BOOLEAN NOT NULL,
  default_billing BOOLEAN NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_address_customer ON shop_address (customer_id, id);

CREATE TABLE shop_cart (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('store', 'ucp', 'draft')),
  state TEXT NOT NULL CHECK (state IN ('open', 'completed', 'canceled')),
  region_id TEXT NOT NULL REFERENCES shop_region (id),
  currency TEXT NOT NULL,
  customer_id TEXT REFERENCES shop_customer (id),
  email TEXT,
  shipping_address TEXT,
  billing_address TEXT,
  shipping_option_id TEXT REFERENCES shop_shipping_option (id),
  shipping_seen BIGINT, -- what shipping cost when it was chosen
  codes TEXT NOT NULL, -- JSON list of promotion codes
  metadata TEXT NOT NULL,
  extra TEXT NOT NULL, -- JSON object of the wire that made it
  version BIGINT NOT NULL,
  order_id TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  completed_at TEXT,
  CHECK ((state = 'completed') = (order_id IS NOT NULL)),
  CHECK ((state = 'completed') = (completed_at IS NOT NULL))
);
CREATE INDEX shop_cart_customer ON shop_cart (customer_id, id);
CREATE TABLE shop_cart_item (
  id TEXT PRIMARY KEY,
  cart_id TEXT NOT NULL REFERENCES shop_cart (id) ON DELETE CASCADE,
  variant_id TEXT NOT NULL REFERENCES shop_variant (id),
  quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
  unit_price BIGINT NOT NULL CHECK (unit_price >= 0), -- as the buyer has seen it
  compare_at BIGINT,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_cart_item_cart ON shop_cart_item (cart_id, id);

CREATE TABLE shop_order (
  no {pk}, -- the number that people say
  id TEXT NOT NULL UNIQUE,
  cart_id TEXT UNIQUE REFERENCES shop_cart (id),
  customer_id TEXT REFERENCES shop_customer (id),
  email TEXT,
  region_id TEXT NOT NULL REFERENCES shop_region (id),
  currency TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'archived', 'canceled')),
  shipping_address TEXT,
  billing_address TEXT,
  shipping TEXT, -- JSON object: the shipping method with its amounts
  promotions TEXT NOT NULL, -- JSON list of {id, code, amount}
  subtotal BIGINT NOT NULL, -- of items, without tax
  discount BIGINT NOT NULL,
  shipping_total BIGINT NOT NULL,
  tax BIGINT NOT NULL,
  total BIGINT NOT NULL CHECK (total >= 0),
  metadata TEXT NOT NULL,
  extra TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  canceled_at TEXT
);
CREATE INDEX shop_order_customer ON shop_order (customer_id, no);
CREATE INDEX shop_order_state ON shop_order (state, no);
CREATE TABLE shop_order_item (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  variant_id TEXT NOT NULL REFERENCES shop_variant (id),
  product_id TEXT NOT NULL,
  title TEXT NOT NULL,
  variant_title TEXT NOT NULL,
  sku TEXT,
  snapshot TEXT NOT NULL, -- JSON object: what the product was
  managed BOOLEAN NOT NULL, -- whether it has a hold of stock
  quantity BIGINT NOT NULL CHECK (quantity > 0),
  unit_price BIGINT NOT NULL,
  compare_at BIGINT,
  original BIGINT NOT NULL,
  original_tax BIGINT NOT NULL,
  subtotal BIGINT NOT NULL,
  discount BIGINT NOT NULL,
  tax BIGINT NOT NULL,
  total BIGINT NOT NULL,
  tax_rate TEXT NOT NULL,
  adjustments TEXT NOT NULL,
  fulfilled BIGINT NOT NULL DEFAULT 0,
  shipped BIGINT NOT NULL DEFAULT 0,
  delivered BIGINT NOT NULL DEFAULT 0,
  return_requested BIGINT NOT NULL DEFAULT 0,
  returned BIGINT NOT NULL DEFAULT 0,
  metadata TEXT NOT NULL,
  created_at TEXT NOT NULL,
  CHECK (0 <= fulfilled AND fulfilled <= quantity),
  CHECK (0 <= shipped AND shipped <= fulfilled),
  CHECK (0 <= delivered AND delivered <= shipped),
  CHECK (0 <= return_requested AND 0 <= returned AND return_requested + returned <= shipped)
);
CREATE INDEX shop_order_item_order ON shop_order_item (order_id, id);
CREATE INDEX shop_order_item_variant ON shop_order_item (variant_id);
CREATE TABLE shop_promotion_use (
  promotion_id TEXT NOT NULL REFERENCES shop_promotion (id),
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  PRIMARY KEY (promotion_id, order_id)
);

CREATE TABLE shop_payment_collection (
  id TEXT PRIMARY KEY,
  cart_id TEXT NOT NULL UNIQUE REFERENCES shop_cart (id),
  order_id TEXT REFERENCES shop_order (id),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_payment_collection_order ON shop_payment_collection (order_id);
CREATE TABLE shop_payment_session (
  id TEXT PRIMARY KEY,
  collection_id TEXT NOT NULL REFERENCES shop_payment_collection (id) ON DELETE CASCADE,
  provider TEXT NOT NULL,
  reference TEXT, -- the provider's own id
  amount BIGINT NOT NULL CHECK (amount >= 0),
  currency TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'authorized', 'captured', 'canceled', 'error')),
  data TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX shop_payment_session_collection ON shop_payment_session (collection_id, id);
CREATE TABLE shop_payment (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  session_id TEXT NOT NULL UNIQUE REFERENCES shop_payment_session (id),
  provider TEXT NOT NULL,
  reference TEXT,
  currency TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount >= 0),
  captured BIGINT NOT NULL DEFAULT 0,
  refunded BIGINT NOT NULL DEFAULT 0,
  canceled_at TEXT,
  captured_at TEXT,
  created_at TEXT NOT NULL,
  CHECK (0 <= refunded AND refunded <= captured AND captured <= amount),
  CHECK (canceled_at IS NULL OR captured = 0)
);
CREATE INDEX shop_payment_order ON shop_payment (order_id);
CREATE TABLE shop_refund (
  id TEXT PRIMARY KEY,
  payment_id TEXT NOT NULL REFERENCES shop_payment (id),
  amount BIGINT NOT NULL CHECK (amount > 0),
  note TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX shop_refund_payment ON shop_refund (payment_id);

CREATE TABLE shop_fulfillment (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  state TEXT NOT NULL CHECK (state IN ('packed', 'shipped', 'delivered', 'canceled')),
  items TEXT NOT NULL, -- JSON list of {item, quantity}
  labels TEXT NOT NULL, -- JSON list of {tracking_number, tracking_url}
  packed_at TEXT NOT NULL,
  shipped_at TEXT,
  delivered_at TEXT,
  canceled_at TEXT
);
CREATE INDEX shop_fulfillment_order ON shop_fulfillment (order_id, id);
CREATE TABLE shop_return (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  state TEXT NOT NULL CHECK (state IN ('requested', 'received', 'canceled')),
  items TEXT NOT NULL, -- JSON list of {item, quantity, reason}
  location_id TEXT,
  refund BIGINT NOT NULL,
  note TEXT NOT NULL,
  requested_at TEXT NOT NULL,
  received_at TEXT,
  canceled_at TEXT
);
CREATE INDEX shop_return_order ON shop_return (order_id, id);
-- What an agent has told of an order (UCP): shipments it saw, adjustments it asks for. It moves neither goods nor money.
CREATE TABLE shop_report (
  id TEXT NOT NULL,
  order_id TEXT NOT NULL REFERENCES shop_order (id),
  kind TEXT NOT NULL CHECK (kind IN ('event', 'adjustment')),
  data TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (order_id, kind, id)
);

CREATE INDEX shop_order_item_product ON shop_order_item (product_id);
CREATE INDEX shop_promotion_use_order ON shop_promotion_use (order_id);
CREATE INDEX shop_cart_item_variant ON shop_cart_item (variant_id);
