with

credits as (

  select * from {{ ref("int_order_credits") }}

)

select
  sales_order_id,
  {{ sum_money("returned") }} as amount_returned,
  {{ sum_money("credited") }} as amount_credited,
  {{ sum_money("goods") }} as goods,
  {{ sum_money("shipping") }} as shipping,
  {{ sum_money("tax") }} as tax,
  {{ sum_money("other") }} as other,
  {{ sum_money("tax_included") }} as tax_included
from credits
group by sales_order_id
