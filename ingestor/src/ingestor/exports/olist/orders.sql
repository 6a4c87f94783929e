-- The files have no totals of orders: they are those of the lines, and 0 where an order has none. An order with a line
-- whose price is no number has no total (sum() alone would skip that line) and is rejected by its contract.
WITH line_sums AS (
    SELECT
        order_id,
        CASE WHEN count(money(price)) = count(*) THEN sum(money(price)) END AS subtotal,
        CASE WHEN count(money(freight_value)) = count(*) THEN sum(money(freight_value)) END AS shipping
    FROM shop_items
    GROUP BY order_id
),

amounts AS (
    SELECT
        d.order_id,
        CASE WHEN l.order_id IS NULL THEN 0 ELSE l.subtotal END AS subtotal,
        CASE WHEN l.order_id IS NULL THEN 0 ELSE l.shipping END AS shipping
    FROM documents AS d
    LEFT JOIN line_sums AS l USING (order_id)
)

SELECT
    d.order_id,
    d.person_id AS customer_id,
    'sale' AS kind,
    CASE d.order_status WHEN 'canceled' THEN 'cancelled' ELSE d.order_status END AS status,
    getvariable('currency') AS currency,
    a.subtotal,
    0 AS discount,
    0 AS tax,
    a.shipping,
    0 AS other,
    a.subtotal + a.shipping AS total,
    d.customer_city AS ship_city,
    d.customer_state AS ship_region,
    lpad(d.customer_zip_code_prefix, 5, '0') AS ship_postal_code,
    'BR' AS ship_country_code,
    instant_or_text(d.order_purchase_timestamp) AS ordered_at,
    instant_or_text(d.order_approved_at) AS approved_at,
    instant_or_text(d.order_delivered_carrier_date) AS shipped_at,
    instant_or_text(d.order_delivered_customer_date) AS delivered_at,
    instant_or_text(d.order_estimated_delivery_date) AS estimated_delivery_at,
    d.updated_at
FROM documents AS d
LEFT JOIN amounts AS a USING (order_id)
