with

lines as (

  select * from {{ ref("stg_order_items") }}

)

select
  order_id,
  cast(count(*) as bigint) as line_count,
  cast(sum(case when quantity > 0 then quantity else 0 end) as decimal(18, 3)) as units
from lines
group by order_id
