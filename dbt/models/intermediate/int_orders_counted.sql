{{ config(materialized="table") }}

with recursive

orders as (

  select * from {{ ref("stg_orders") }}

),

-- returns and adjustments hang on the document that they name; links do not cross currencies
links as (

  select
    following.order_id,
    following.kind,
    following.status,
    named.order_id as named_order_id,
    named.kind as named_kind
  from orders as following
  inner join orders as named
    on following.original_order_id = named.order_id and following.currency = named.currency
  where following.kind in ('return', 'adjustment')

),

-- a document names one other: from those of a status that does not count, each is reached once
uncounted as (

  select order_id
  from orders
  where not {{ is_counted_status("status") }}
  union all
  select links.order_id
  from links
  inner join uncounted on links.named_order_id = uncounted.order_id
  where {{ is_counted_status("links.status") }}

),

counted as (

  select
    orders.*,
    links.named_order_id as linked_order_id,
    uncounted.order_id is null as is_counted
  from orders
  left join links on orders.order_id = links.order_id and links.kind = 'return' and links.named_kind = 'sale'
  left join uncounted on orders.order_id = uncounted.order_id

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
