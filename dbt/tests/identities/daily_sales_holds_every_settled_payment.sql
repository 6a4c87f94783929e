with

daily as (

  select
    date_day,
    currency,
    amount_paid,
    amount_refunded,
    amount_charged_back,
    amount_received
  from {{ ref("daily_sales") }}
  where amount_paid <> 0 or amount_refunded <> 0 or amount_charged_back <> 0

),

payments as (

  select
    {{ day_of("paid_at") }} as date_day,
    currency,
    {{ sum_money("case when kind = 'payment' then amount end") }} as amount_paid,
    {{ sum_money("case when kind = 'refund' then amount end") }} as amount_refunded,
    {{ sum_money("case when kind = 'chargeback' then amount end") }} as amount_charged_back,
    {{ sum_money("case when kind = 'payment' then amount else -amount end") }} as amount_received
  from {{ ref("stg_payments") }}
  where status = 'settled'
  group by {{ day_of("paid_at") }}, currency
  having sum(amount) <> 0

)

{{ symmetric_difference("daily", "payments") }}
