with

payments as (

  select * from {{ ref("int_payments_booked") }}
  where is_applied and is_settled

)

select
  sales_order_id,
  {{ sum_money("case when kind = 'payment' then settled_amount end") }} as amount_paid,
  {{ sum_money("case when kind = 'refund' then -settled_amount end") }} as amount_refunded,
  {{ sum_money("case when kind = 'chargeback' then -settled_amount end") }} as amount_charged_back,
  {{ sum_money("settled_amount") }} as amount_received,
  {{ count_where("kind = 'payment'") }} as payment_count
from payments
group by sales_order_id
