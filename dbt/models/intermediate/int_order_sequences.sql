with

orders as (

  select * from {{ ref("int_orders_counted") }}
  where is_order and customer_id is not null

),

numbered as (

  select
    order_id,
    ordered_date,
    row_number() over (partition by customer_id order by ordered_at, order_id) as order_sequence,
    lag(ordered_date) over (partition by customer_id order by ordered_at, order_id) as previous_ordered_date
  from orders

)

select
  order_id,
  cast(order_sequence as bigint) as order_sequence,
  {{ days_between("previous_ordered_date", "ordered_date") }} as days_since_previous_order
from numbered
