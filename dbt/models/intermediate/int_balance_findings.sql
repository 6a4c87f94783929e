with

orders as (

  select * from {{ ref("fct_orders") }}

),

payments as (

  select * from {{ ref("fct_payments") }}
  where status = 'settled' and order_id is null

),

customer_payments as (

  select
    customer_id,
    currency,
    {{ sum_money("settled_amount") }} as amount
  from payments
  group by customer_id, currency

),

customer_orders as (

  select
    customer_id,
    currency,
    {{ sum_money("total_sales") }} as total_sales,
    {{ sum_money("amount_received") }} as amount_received
  from orders
  where customer_id is not null
  group by customer_id, currency

),

-- customers who pay without naming an order, over all they bought
balances as (

  select
    customer_payments.customer_id,
    customer_payments.currency,
    coalesce(customer_orders.total_sales, 0) as expected,
    customer_payments.amount + coalesce(customer_orders.amount_received, 0) as actual
  from customer_payments
  left join customer_orders
    on
      customer_payments.customer_id = customer_orders.customer_id
      and customer_payments.currency = customer_orders.currency

)

select
  'customer_balance' as reason,
  'customer' as subject,
  customer_id as subject_id,
  currency,
  expected,
  actual,
  cast(null as boolean) as is_counted
from balances
where expected <> actual
union all
select
  'returned_without_credit' as reason,
  'order' as subject,
  order_id as subject_id,
  currency,
  {{ sum_of_money("total") }} as expected,
  amount_credited as actual,
  is_counted
from orders
where kind = 'sale' and is_counted and status = 'returned' and amount_credited = 0
