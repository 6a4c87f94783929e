with

payments as (

  select * from {{ ref("stg_payments") }}

),

booked as (

  select * from {{ ref("int_payments_booked") }}

)

select
  payments.payment_id,
  payments.order_id,
  booked.customer_id,
  payments.line_number,
  payments.kind,
  payments.method,
  payments.status,
  payments.amount,
  payments.installments,
  payments.gateway_reference,
  payments.currency,
  payments.paid_at,
  payments.updated_at,

  booked.paid_date,
  booked.is_applied,
  booked.sales_order_id,
  booked.settled_amount
from payments
inner join booked on payments.payment_id = booked.payment_id
