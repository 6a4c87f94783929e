with

orders as (

  select * from {{ ref("stg_orders") }}

),

counted as (

  select * from {{ ref("int_orders_counted") }}
  where is_counted and kind = 'sale'

)

select
  orders.order_id,
  orders.currency,
  counted.ordered_date,
  orders.subtotal,
  orders.discount,
  orders.shipping,
  orders.tax,
  orders.other,
  orders.total,
  coalesce(orders.tax_included, 0) as tax_included
from orders
inner join counted on orders.order_id = counted.order_id
