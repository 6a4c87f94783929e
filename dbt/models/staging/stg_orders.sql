with

versions as (

  select * from {{ source("landing", "orders") }}

),

latest as (

  {{ latest_version("versions", key=["order_id"]) }}

)

select
  order_id,
  customer_id,
  kind,
  original_order_id,
  status,
  currency,
  subtotal,
  discount,
  tax,
  shipping,
  other,
  total,
  tax_included,
  channel,
  coupon_code,
  ship_city,
  ship_region,
  ship_postal_code,
  ship_country_code,
  ordered_at,
  approved_at,
  shipped_at,
  delivered_at,
  estimated_delivery_at,
  cancelled_at,
  updated_at
from latest
