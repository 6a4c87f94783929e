with

lines as (

  select * from {{ ref("stg_order_items") }}

),

orders as (

  select * from {{ ref("int_orders_counted") }}

),

line_discounts as (

  select * from {{ ref("int_line_discounts") }}

),

joined as (

  select
    lines.*,
    orders.kind,
    orders.customer_id,
    orders.ordered_date,
    coalesce(orders.is_counted, false) as is_counted,
    coalesce(orders.is_order, false) as is_order,
    coalesce(lines.currency = orders.currency, false) as is_applied,
    coalesce(line_discounts.order_discount_share, 0) as order_discount_share
  from lines
  left join orders on lines.order_id = orders.order_id
  left join line_discounts
    on lines.order_id = line_discounts.order_id and lines.line_number = line_discounts.line_number

),

flagged as (

  select
    *,
    is_applied and is_counted and kind = 'sale' as is_sale_line,
    is_applied and is_order as is_order_line,
    is_applied and is_counted and kind = 'return' as is_return_line
  from joined

)

select
  order_id,
  line_number,
  product_id,
  sku,
  name,
  quantity,
  unit_price,
  discount,
  tax,
  shipping,
  line_total,
  currency,
  ordered_at,
  updated_at,

  kind,
  customer_id,
  ordered_date,
  is_counted,
  is_order,
  is_applied,

  order_discount_share,
  case when is_sale_line then {{ money("line_total + discount") }} else {{ money(0) }} end as gross_sales,
  case when is_sale_line then {{ money("discount + order_discount_share") }} else {{ money(0) }} end as discounts,
  cast(case when is_order_line then quantity else 0 end as decimal(18, 3)) as units_sold,
  cast(case when is_return_line then -quantity else 0 end as decimal(18, 3)) as units_returned
from flagged
