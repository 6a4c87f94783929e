-- per document; total_sales = (total of a counted sale, else 0) − amount_credited
select
  order_id,
  kind,
  is_counted,
  total,
  amount_credited,
  net_sales,
  total_sales
from {{ ref("fct_orders") }}
where
  net_sales <> gross_sales - discounts - returns
  or total_sales <> net_sales + shipping_charges + taxes + other_charges
  or total_sales <> case when is_counted and kind = 'sale' then total else 0 end - amount_credited
  or amount_received <> amount_paid - amount_refunded - amount_charged_back
