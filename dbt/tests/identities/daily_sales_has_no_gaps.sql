-- rows = days × currencies: every day between the first and the last event, every currency of an event
with

events as (

  select
    ordered_date as date_day,
    currency
  from {{ ref("fct_orders") }}
  union all
  select
    paid_date as date_day,
    currency
  from {{ ref("fct_payments") }}

),

expected as (

  select
    min(date_day) as first_day,
    max(date_day) as last_day,
    coalesce({{ days_between("min(date_day)", "max(date_day)") }} + 1, 0) * count(distinct currency) as number_of_rows
  from events

),

actual as (

  select
    min(date_day) as first_day,
    max(date_day) as last_day,
    count(*) as number_of_rows
  from {{ ref("daily_sales") }}

)

{{ symmetric_difference("expected", "actual") }}
