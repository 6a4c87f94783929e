with

versions as (

  select * from {{ source("landing", "customers") }}

),

latest as (

  {{ latest_version("versions", key=["customer_id"]) }}

)

select
  customer_id,
  email,
  first_name,
  last_name,
  company,
  phone,
  street,
  city,
  region,
  postal_code,
  country_code,
  marketing_opt_in,
  created_at,
  updated_at
from latest
