with

versions as (

  select * from {{ source("landing", "payments") }}

),

latest as (

  {{ latest_version("versions", key=["payment_id"]) }}

)

select
  payment_id,
  order_id,
  customer_id,
  line_number,
  kind,
  method,
  status,
  amount,
  installments,
  gateway_reference,
  currency,
  paid_at,
  updated_at
from latest
