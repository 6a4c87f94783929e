select
  date_day,
  currency,
  orders,
  first_orders,
  repeat_orders,
  guest_orders
from {{ ref("daily_sales") }}
where orders <> first_orders + repeat_orders + guest_orders
