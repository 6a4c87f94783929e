with

versions as (

  select * from {{ source("landing", "order_items") }}

),

latest as (

  {{ latest_version("versions", key=["order_id", "line_number"]) }}

)

select
  order_id,
  line_number,
  product_id,
  sku,
  name,
  quantity,
  unit_price,
  discount,
  tax,
  shipping,
  line_total,
  currency,
  ordered_at,
  updated_at
from latest
