{{ config(materialized="table") }}

with

payments as (

  select * from {{ ref("stg_payments") }}

),

orders as (

  select * from {{ ref("int_orders_counted") }}

),

named as (

  select
    payments.*,
    coalesce(payments.currency = orders.currency, false) as is_applied,
    orders.sales_order_id as named_sales_order_id,
    coalesce(payments.customer_id, orders.customer_id) as known_customer_id
  from payments
  left join orders on payments.order_id = orders.order_id

)

select
  payment_id,
  is_applied,
  case when is_applied then named_sales_order_id end as sales_order_id,
  known_customer_id as customer_id,
  kind,
  currency,
  paid_at,
  {{ day_of("paid_at") }} as paid_date,
  status = 'settled' as is_settled,
  case
    when status <> 'settled' then {{ money(0) }}
    when kind = 'payment' then {{ money("amount") }}
    else {{ money("-amount") }}
  end as settled_amount
from named
