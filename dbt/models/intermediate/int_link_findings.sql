with

orders as (

  select * from {{ ref("fct_orders") }}

),

lines as (

  select * from {{ ref("fct_order_items") }}

),

payments as (

  select * from {{ ref("fct_payments") }}

),

customers as (

  select * from {{ ref("dim_customers") }}

),

products as (

  select * from {{ ref("dim_products") }}

),

-- whatever names an order, with the amount that hangs on it; what is applied to its order is linked well
links as (

  select
    'order' as subject,
    order_id as subject_id,
    original_order_id as named_order_id,
    currency,
    total as amount,
    is_counted
  from orders
  where original_order_id is not null
  union all
  select
    'order_item' as subject,
    {{ dbt.concat(["order_id", "':'", "cast(line_number as " ~ dbt.type_string() ~ ")"]) }} as subject_id,
    order_id as named_order_id,
    currency,
    line_total as amount,
    cast(null as boolean) as is_counted
  from lines
  where not is_applied
  union all
  select
    'payment' as subject,
    payment_id as subject_id,
    order_id as named_order_id,
    currency,
    amount,
    cast(null as boolean) as is_counted
  from payments
  where not is_applied and order_id is not null

),

-- a document counts by itself, a line or payment with the order it names
linked as (

  select
    links.subject,
    links.subject_id,
    links.currency,
    links.amount,
    named.order_id as known_order_id,
    named.currency as order_currency,
    coalesce(links.is_counted, named.is_counted) as is_counted
  from links
  left join orders as named on links.named_order_id = named.order_id

),

orders_not_there as (

  select
    case subject
      when 'order' then 'unknown_original_order'
      when 'order_item' then 'item_without_order'
      else 'payment_without_order'
    end as reason,
    subject,
    subject_id,
    currency,
    amount,
    is_counted
  from linked
  where known_order_id is null

),

other_currencies as (

  select
    'currency_differs' as reason,
    subject,
    subject_id,
    currency,
    amount,
    is_counted
  from linked
  where known_order_id is not null and currency <> order_currency

),

-- silent where the shop has no such entity at all
unknown_customers as (

  select
    'unknown_customer' as reason,
    'customer' as subject,
    customer_id as subject_id
  from customers
  where
    not is_known
    and exists (
      select 1 from customers as known
      where known.is_known
    )

),

unknown_products as (

  select
    'unknown_product' as reason,
    'product' as subject,
    product_id as subject_id
  from products
  where
    not is_known
    and exists (
      select 1 from products as known
      where known.is_known
    )

)

select
  reason,
  subject,
  subject_id,
  currency,
  {{ sum_of_money(0) }} as expected,
  {{ sum_of_money("amount") }} as actual,
  is_counted
from orders_not_there
union all
select
  reason,
  subject,
  subject_id,
  currency,
  {{ sum_of_money(0) }} as expected,
  {{ sum_of_money("amount") }} as actual,
  is_counted
from other_currencies
union all
select
  reason,
  subject,
  subject_id,
  cast(null as {{ dbt.type_string() }}) as currency,
  cast(null as decimal(38, 4)) as expected,
  cast(null as decimal(38, 4)) as actual,
  cast(null as boolean) as is_counted
from unknown_customers
union all
select
  reason,
  subject,
  subject_id,
  cast(null as {{ dbt.type_string() }}) as currency,
  cast(null as decimal(38, 4)) as expected,
  cast(null as decimal(38, 4)) as actual,
  cast(null as boolean) as is_counted
from unknown_products
