-- Σ amount_received of orders = Σ settled_amount of applied payments
with

received as (

  select
    currency,
    {{ sum_money("amount_received") }} as amount
  from {{ ref("fct_orders") }}
  group by currency
  having sum(amount_received) <> 0

),

settled as (

  select
    currency,
    {{ sum_money("settled_amount") }} as amount
  from {{ ref("fct_payments") }}
  where is_applied
  group by currency
  having sum(settled_amount) <> 0

)

{{ symmetric_difference("received", "settled") }}
