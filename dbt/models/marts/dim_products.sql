with

products as (

  select * from {{ ref("stg_products") }}

),

lines as (

  select * from {{ ref("stg_order_items") }}

),

named as (

  select product_id from products
  union distinct
  select product_id from lines
  where product_id is not null

)

select
  named.product_id,
  products.product_id is not null as is_known,
  products.sku,
  products.name,
  products.category,
  products.brand,
  products.unit_price,
  products.unit_cost,
  products.currency,
  products.weight_g,
  products.is_active,
  products.created_at,
  products.updated_at
from named
left join products on named.product_id = products.product_id
