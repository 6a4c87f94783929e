with

orders as (

  select * from {{ ref("fct_orders") }}

),

lines as (

  select * from {{ ref("fct_order_items") }}

),

minor_units as (

  select * from {{ ref("minor_units") }}

),

-- of a document's lines, those in its currency
sums as (

  select
    order_id,
    cast(count(*) as bigint) as applied_line_count,
    {{ sum_money("line_total + discount") }} as subtotal,
    {{ sum_money("discount") }} as discount,
    {{ sum_money("shipping") }} as shipping,
    {{ sum_money("tax") }} as tax,
    count(*) = count(shipping) as is_shipping_told,
    count(*) = count(tax) as is_tax_told
  from lines
  where is_applied
  group by order_id

),

compared as (

  select
    orders.order_id,
    orders.kind,
    orders.currency,
    orders.is_counted,
    orders.line_count,
    orders.subtotal,
    orders.discount,
    orders.shipping,
    orders.tax,
    coalesce(sums.subtotal, 0) as subtotal_of_lines,
    coalesce(sums.discount, 0) as discount_of_lines,
    sums.shipping as shipping_of_lines,
    sums.tax as tax_of_lines,
    coalesce(sums.is_shipping_told, false) as is_shipping_told,
    coalesce(sums.is_tax_told, false) as is_tax_told,
    {{ smallest_amount("minor_units.minor_unit") }} * coalesce(sums.applied_line_count, 0) as rounding
  from orders
  inner join minor_units on orders.currency = minor_units.currency
  left join sums on orders.order_id = sums.order_id

),

without_items as (

  select
    'order_without_items' as reason,
    order_id,
    currency,
    subtotal as expected,
    {{ sum_of_money(0) }} as actual,
    is_counted
  from compared
  where line_count = 0 and kind in ('sale', 'return')

),

items as (

  select
    case when abs(subtotal_of_lines - subtotal) <= rounding then 'items_rounding' else 'items_differ' end as reason,
    order_id,
    currency,
    subtotal as expected,
    subtotal_of_lines as actual,
    is_counted
  from compared
  where line_count > 0 and subtotal_of_lines <> subtotal

),

discounts as (

  select
    'discounts_differ' as reason,
    order_id,
    currency,
    discount as expected,
    discount_of_lines as actual,
    is_counted
  from compared
  where
    (kind = 'sale' and discount_of_lines > discount)
    or (kind = 'return' and discount_of_lines < discount)

),

shipping as (

  select
    'shipping_differs' as reason,
    order_id,
    currency,
    shipping as expected,
    shipping_of_lines as actual,
    is_counted
  from compared
  where is_shipping_told and shipping_of_lines <> shipping

),

tax as (

  select
    'tax_differs' as reason,
    order_id,
    currency,
    tax as expected,
    tax_of_lines as actual,
    is_counted
  from compared
  where is_tax_told and tax_of_lines <> tax

),

findings as (

  select * from without_items
  union all
  select * from items
  union all
  select * from discounts
  union all
  select * from shipping
  union all
  select * from tax

)

select
  reason,
  'order' as subject,
  order_id as subject_id,
  currency,
  expected,
  actual,
  is_counted
from findings
