-- A line is one piece: two pieces of a product are two lines. A line without its order has no date and is rejected.
SELECT
    i.order_id,
    i.order_item_id AS line_number,
    i.product_id,
    1 AS quantity,
    i.price AS unit_price,
    0 AS discount,
    i.freight_value AS shipping,
    i.price AS line_total,
    getvariable('currency') AS currency,
    d.ordered_at,
    d.updated_at
FROM shop_items AS i
LEFT JOIN documents AS d USING (order_id)
