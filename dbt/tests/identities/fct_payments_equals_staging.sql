with

staged as (

  select
    currency,
    kind,
    status,
    count(*) as payments,
    {{ sum_money("amount") }} as amount
  from {{ ref("stg_payments") }}
  group by currency, kind, status

),

marts as (

  select
    currency,
    kind,
    status,
    count(*) as payments,
    {{ sum_money("amount") }} as amount
  from {{ ref("fct_payments") }}
  group by currency, kind, status

)

{{ symmetric_difference("staged", "marts") }}
