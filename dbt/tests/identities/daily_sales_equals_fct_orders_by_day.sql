with

by_event as (

  select
    date_day,
    currency,
    orders,
    gross_sales,
    discounts,
    adjustments
  from {{ ref("daily_sales") }}
  where orders <> 0 or gross_sales <> 0 or discounts <> 0 or adjustments <> 0

),

by_order as (

  select
    ordered_date as date_day,
    currency,
    {{ count_where("is_order") }} as orders,
    {{ sum_money("gross_sales") }} as gross_sales,
    {{ sum_money("discounts") }} as discounts,
    {{ sum_money("adjustments") }} as adjustments
  from {{ ref("fct_orders") }}
  group by ordered_date, currency
  having
    {{ count_where("is_order") }} <> 0
    or sum(gross_sales) <> 0
    or sum(discounts) <> 0
    or sum(adjustments) <> 0

)

{{ symmetric_difference("by_event", "by_order") }}
