with

orders as (

  select * from {{ ref("stg_orders") }}

),

linked as (

  select
    orders.*,
    sales.order_id as linked_order_id,
    sales.status as linked_status
  from orders
  left join orders as sales
    on
      orders.kind = 'return'
      and sales.kind = 'sale'
      and orders.original_order_id = sales.order_id
      and orders.currency = sales.currency

),

counted as (

  select
    *,
    coalesce(
      {{ is_counted_status("status") }}
      and (linked_order_id is null or {{ is_counted_status("linked_status") }}),
      false
    ) as is_counted
  from linked

)

select
  order_id,
  kind,
  currency,
  customer_id,
  ordered_at,
  {{ day_of("ordered_at") }} as ordered_date,
  coalesce(linked_order_id, order_id) as sales_order_id,
  is_counted,
  is_counted and kind = 'sale' and (subtotal <> 0 or total <> 0) as is_order
from counted
