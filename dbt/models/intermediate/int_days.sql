with

events as (

  select
    min(ordered_date) as first_date,
    max(ordered_date) as last_date
  from {{ ref("int_orders_counted") }}
  union all
  select
    min(paid_date) as first_date,
    max(paid_date) as last_date
  from {{ ref("int_payments_booked") }}

),

range_of_events as (

  select
    min(first_date) as first_date,
    max(last_date) as last_date
  from events

)

{{ days_from("range_of_events", "first_date", "last_date") }}
