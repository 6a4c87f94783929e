with

staged as (

  select
    currency,
    count(*) as number_of_lines,
    sum(quantity) as quantity,
    {{ sum_money("line_total") }} as line_total,
    {{ sum_money("discount") }} as discount
  from {{ ref("stg_order_items") }}
  group by currency

),

marts as (

  select
    currency,
    count(*) as number_of_lines,
    sum(quantity) as quantity,
    {{ sum_money("line_total") }} as line_total,
    {{ sum_money("discount") }} as discount
  from {{ ref("fct_order_items") }}
  group by currency

)

{{ symmetric_difference("staged", "marts") }}
