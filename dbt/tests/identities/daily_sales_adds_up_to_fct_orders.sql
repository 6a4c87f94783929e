with

by_event as (

  select
    currency,
    cast(sum(orders) as bigint) as orders,
    cast(sum(zero_value_orders) as bigint) as zero_value_orders,
    cast(sum(cancelled_orders) as bigint) as cancelled_orders,
    {{ sum_money("cancelled_total") }} as cancelled_total,
    {{ sum_money("gross_sales") }} as gross_sales,
    {{ sum_money("discounts") }} as discounts,
    {{ sum_money("adjustments") }} as adjustments
  from {{ ref("daily_sales") }}
  group by currency

),

by_order as (

  select
    currency,
    {{ count_where("is_order") }} as orders,
    {{ count_where("kind = 'sale' and is_counted and not is_order") }} as zero_value_orders,
    {{ count_where("kind = 'sale' and not is_counted") }} as cancelled_orders,
    {{ sum_money("case when kind = 'sale' and not is_counted then total end") }} as cancelled_total,
    {{ sum_money("gross_sales") }} as gross_sales,
    {{ sum_money("discounts") }} as discounts,
    {{ sum_money("adjustments") }} as adjustments
  from {{ ref("fct_orders") }}
  group by currency

),

-- a currency of payments only has days, but no documents
seen as (

  select by_event.*
  from by_event
  where currency in (select currency from by_order)

),

without_documents as (

  select by_event.*
  from by_event
  where
    currency not in (select currency from by_order)
    and (orders <> 0 or gross_sales <> 0 or discounts <> 0 or adjustments <> 0 or cancelled_total <> 0)

),

differences as (

  {{ symmetric_difference("seen", "by_order") }}

)

select * from differences
union all
select
  'by_event' as only_in,
  without_documents.*
from without_documents
