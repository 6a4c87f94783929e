with

lines as (

  select * from {{ ref("stg_order_items") }}

),

orders as (

  select * from {{ ref("stg_orders") }}
  where kind in ('sale', 'return')

),

minor_units as (

  select * from {{ ref("minor_units") }}

),

line_sums as (

  select
    order_id,
    currency,
    sum(discount) as discount
  from lines
  group by order_id, currency

),

-- documents with a discount beyond those of their lines
discounted as (

  select
    orders.order_id,
    orders.kind,
    orders.currency,
    minor_units.minor_unit,
    orders.discount - line_sums.discount as order_discount
  from orders
  inner join line_sums on orders.order_id = line_sums.order_id and orders.currency = line_sums.currency
  inner join minor_units on orders.currency = minor_units.currency
  where orders.discount <> line_sums.discount

),

-- a line takes part with its total, where that has the sign of its document
applied as (

  select
    lines.order_id,
    lines.line_number,
    discounted.minor_unit,
    discounted.order_discount,
    case
      when discounted.kind = 'sale' and lines.line_total > 0 then lines.line_total
      when discounted.kind = 'return' and lines.line_total < 0 then lines.line_total
      else {{ money(0) }}
    end as line_weight
  from lines
  inner join discounted on lines.order_id = discounted.order_id and lines.currency = discounted.currency

),

-- equal shares where no line has a total
weighted as (

  select
    order_id,
    line_number,
    minor_unit,
    order_discount,
    case
      when sum(line_weight) over (partition by order_id) = 0 then {{ money(1) }}
      else line_weight
    end as line_weight
  from applied

),

running as (

  select
    *,
    sum(line_weight) over (partition by order_id) as all_weights,
    sum(line_weight) over (
      partition by order_id order by line_number
      rows between unbounded preceding and current row
    ) as running_weight
  from weighted

)

select
  order_id,
  line_number,
  {{ cumulative_share("order_discount", "line_weight", "running_weight", "all_weights", "minor_unit") }}
    as order_discount_share
from running
