select
  order_id,
  status,
  ordered_at
from {{ ref("stg_orders") }}
where kind = 'sale' and status = 'delivered' and delivered_at is null
