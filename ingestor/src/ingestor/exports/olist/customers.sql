-- A person has a row for each order, with the address of that order. All of them have the date of the first order, so
-- that the person lands on that day, once, with the latest address.
SELECT
    c.customer_unique_id AS customer_id,
    c.customer_city AS city,
    c.customer_state AS region,
    -- Five digits; the files have lost the leading zeros.
    lpad(c.customer_zip_code_prefix, 5, '0') AS postal_code,
    'BR' AS country_code,
    coalesce(min(d.ordered_at) OVER (PARTITION BY c.customer_unique_id), f.created_at) AS created_at,
    coalesce(d.ordered_at, f.created_at) AS updated_at
FROM shop_customers AS c
LEFT JOIN documents AS d USING (customer_id)
CROSS JOIN first_day AS f
