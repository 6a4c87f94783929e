-- The files have no dates of payments: the order's approval is when the money was there, else its purchase.
SELECT
    p.order_id || '-' || p.payment_sequential AS payment_id,
    p.order_id,
    d.person_id AS customer_id,
    'payment' AS kind,
    CASE p.payment_type WHEN 'not_defined' THEN 'unknown' ELSE p.payment_type END AS method,
    'settled' AS status,
    p.payment_value AS amount,
    p.payment_installments AS installments,
    getvariable('currency') AS currency,
    coalesce(instant(d.order_approved_at), d.ordered_at) AS paid_at,
    coalesce(instant(d.order_approved_at), d.ordered_at) AS updated_at
FROM shop_payments AS p
LEFT JOIN documents AS d USING (order_id)
