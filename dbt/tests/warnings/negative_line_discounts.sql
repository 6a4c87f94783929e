select
  order_id,
  sum(discount) as discount
from {{ ref("fct_order_items") }}
where kind = 'sale' and is_applied
group by order_id
having sum(discount) < 0
