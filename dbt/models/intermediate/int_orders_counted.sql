{{ config(materialized="table") }}

with

orders as (

  select * from {{ ref("stg_orders") }}

),

-- the sales that returns belong to
links as (

  select
    returns.order_id,
    sales.order_id as linked_order_id,
    sales.status as linked_status
  from orders as returns
  inner join orders as sales on returns.original_order_id = sales.order_id and returns.currency = sales.currency
  where returns.kind = 'return' and sales.kind = 'sale'

),

linked as (

  select
    orders.*,
    links.linked_order_id,
    links.linked_status
  from orders
  left join links on orders.order_id = links.order_id

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
  subtotal,
  discount,
  shipping,
  tax,
  other,
  total,
  coalesce(tax_included, 0) as tax_included,
  is_counted,
  is_counted and kind = 'sale' and (subtotal <> 0 or total <> 0) as is_order
from counted
