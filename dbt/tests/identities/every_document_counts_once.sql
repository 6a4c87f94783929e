-- per currency: Σ total = counted sales + counted returns + adjustments + uncounted
with

orders as (

  select * from {{ ref("fct_orders") }}

),

sums as (

  select
    currency,
    {{ sum_money("total") }} as total,
    {{ sum_money("case when is_counted and kind = 'sale' then total end") }} as counted_sales,
    {{ sum_money("case when is_counted and kind = 'return' then total end") }} as counted_returns,
    {{ sum_money("adjustments") }} as adjustments,
    {{ sum_money("case when not is_counted then total end") }} as uncounted
  from orders
  group by currency

)

select * from sums
where total <> counted_sales + counted_returns + adjustments + uncounted
