with

versions as (

  select * from {{ source("landing", "products") }}

),

latest as (

  {{ latest_version("versions", key=["product_id"]) }}

)

select
  product_id,
  sku,
  name,
  category,
  brand,
  unit_price,
  unit_cost,
  currency,
  weight_g,
  is_active,
  created_at,
  updated_at
from latest
