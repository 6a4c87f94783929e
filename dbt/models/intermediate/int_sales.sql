with

orders as (

  select * from {{ ref("int_orders_counted") }}
  where is_counted and kind = 'sale'

)

select
  order_id,
  currency,
  ordered_date,
  subtotal,
  discount,
  shipping,
  tax,
  other,
  total,
  tax_included
from orders
