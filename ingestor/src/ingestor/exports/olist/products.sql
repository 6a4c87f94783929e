-- The files have neither names nor prices nor dates of products: a product comes with its first order.
WITH first_orders AS (
    SELECT
        i.product_id,
        min(d.ordered_at) AS ordered_at
    FROM shop_items AS i
    INNER JOIN documents AS d USING (order_id)
    GROUP BY i.product_id
)

SELECT
    p.product_id,
    p.product_category_name AS category,
    p.product_weight_g AS weight_g,
    coalesce(o.ordered_at, f.created_at) AS created_at,
    coalesce(o.ordered_at, f.created_at) AS updated_at
FROM shop_products AS p
LEFT JOIN first_orders AS o USING (product_id)
CROSS JOIN first_day AS f
