with

staged as (

  select
    currency,
    count(*) as documents,
    {{ sum_money("subtotal") }} as subtotal,
    {{ sum_money("discount") }} as discount,
    {{ sum_money("tax") }} as tax,
    {{ sum_money("shipping") }} as shipping,
    {{ sum_money("other") }} as other,
    {{ sum_money("total") }} as total
  from {{ ref("stg_orders") }}
  group by currency

),

marts as (

  select
    currency,
    count(*) as documents,
    {{ sum_money("subtotal") }} as subtotal,
    {{ sum_money("discount") }} as discount,
    {{ sum_money("tax") }} as tax,
    {{ sum_money("shipping") }} as shipping,
    {{ sum_money("other") }} as other,
    {{ sum_money("total") }} as total
  from {{ ref("fct_orders") }}
  group by currency

)

{{ symmetric_difference("staged", "marts") }}
