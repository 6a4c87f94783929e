-- The instant that a local time of the shop stands for; null where the text is no time.
CREATE MACRO instant(local_time) AS
    timezone(getvariable('time_zone'), try_strptime(local_time, '%Y-%m-%d %H:%M:%S'));

-- The same as text. What is no time stays as it is, so that the contract rejects the row and says why.
CREATE MACRO instant_or_text(local_time) AS
    coalesce(strftime(instant(local_time), '%Y-%m-%dT%H:%M:%SZ'), local_time);

-- A price as an exact decimal; null where the text is none.
CREATE MACRO money(price) AS try_cast(price AS DECIMAL(18, 4));

-- Orders with the person who bought: customer_id is a new one for each order, customer_unique_id is the person.
CREATE TABLE documents AS
SELECT
    o.*,
    c.customer_unique_id AS person_id,
    c.customer_city,
    c.customer_state,
    c.customer_zip_code_prefix,
    instant(o.order_purchase_timestamp) AS ordered_at,
    -- The latest that is known to have happened; the estimated delivery is a promise.
    greatest(
        instant(o.order_purchase_timestamp),
        instant(o.order_approved_at),
        instant(o.order_delivered_carrier_date),
        instant(o.order_delivered_customer_date)
    ) AS updated_at
FROM shop_orders AS o
LEFT JOIN shop_customers AS c USING (customer_id);

-- For master data that nobody ordered.
CREATE VIEW first_day AS
SELECT date_trunc('day', min(ordered_at)) AS created_at
FROM documents;
