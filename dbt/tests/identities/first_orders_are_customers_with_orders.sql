with

daily as (

  select cast(coalesce(sum(first_orders), 0) as bigint) as customers from {{ ref("daily_sales") }}

),

dimension as (

  select cast(count(*) as bigint) as customers from {{ ref("dim_customers") }}
  where orders >= 1

)

{{ symmetric_difference("daily", "dimension") }}
