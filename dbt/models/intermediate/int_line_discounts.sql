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

-- a line takes part with its total, where that has the sign of its document
applied as (

  select
    lines.order_id,
    lines.line_number,
    minor_units.minor_unit,
    orders.discount - sum(lines.discount) over (partition by lines.order_id) as order_discount,
    case
      when orders.kind = 'sale' and lines.line_total > 0 then lines.line_total
      when orders.kind = 'return' and lines.line_total < 0 then lines.line_total
      else {{ money(0) }}
    end as line_weight
  from lines
  inner join orders on lines.order_id = orders.order_id and lines.currency = orders.currency
  inner join minor_units on orders.currency = minor_units.currency

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
  where order_discount <> 0

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
