with

customers as (

  select * from {{ ref("stg_customers") }}

),

orders as (

  select * from {{ ref("int_orders_counted") }}

),

payments as (

  select * from {{ ref("int_payments_booked") }}

),

named as (

  select customer_id from customers
  union distinct
  select customer_id from orders
  where customer_id is not null
  union distinct
  select customer_id from payments
  where customer_id is not null

),

customer_orders as (

  select
    customer_id,
    cast(count(*) as bigint) as orders,
    min(ordered_at) as first_order_at,
    max(ordered_at) as latest_order_at
  from orders
  where is_order and customer_id is not null
  group by customer_id

)

select
  named.customer_id,
  customers.customer_id is not null as is_known,
  customers.email,
  customers.first_name,
  customers.last_name,
  customers.company,
  customers.phone,
  customers.street,
  customers.city,
  customers.region,
  customers.postal_code,
  customers.country_code,
  customers.marketing_opt_in,
  customers.created_at,
  customers.updated_at,

  coalesce(customer_orders.orders, 0) as orders,
  customer_orders.first_order_at,
  customer_orders.latest_order_at,
  coalesce(customer_orders.orders, 0) >= 2 as is_repeat_customer
from named
left join customers on named.customer_id = customers.customer_id
left join customer_orders on named.customer_id = customer_orders.customer_id
