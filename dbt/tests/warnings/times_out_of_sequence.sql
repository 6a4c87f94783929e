select
  order_id,
  ordered_at,
  approved_at,
  shipped_at,
  delivered_at,
  cancelled_at
from {{ ref("stg_orders") }}
where
  approved_at < ordered_at
  or shipped_at < ordered_at
  or shipped_at < approved_at
  or delivered_at < ordered_at
  or delivered_at < shipped_at
  or cancelled_at < ordered_at
