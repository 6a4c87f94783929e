select
  payment_id,
  method
from {{ ref("stg_payments") }}
where method = 'unknown'
