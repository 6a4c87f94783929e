with

daily as (

  select coalesce(sum(first_orders), 0) as first_orders from {{ ref("daily_sales") }}

),

customers as (

  select count(*) as customers_with_orders from {{ ref("dim_customers") }}
  where orders >= 1

)

select *
from daily
cross join customers
where first_orders <> customers_with_orders
