with

orders as (

  select * from {{ ref("fct_orders") }}
  where sales_order_id = order_id and kind <> 'adjustment'

),

minor_units as (

  select * from {{ ref("minor_units") }}

),

-- a balance is null where payments are not known
differing as (

  select
    orders.*,
    orders.amount_received - orders.total_sales as difference,
    {{ smallest_amount("minor_units.minor_unit") }} as smallest_amount
  from orders
  inner join minor_units on orders.currency = minor_units.currency
  where orders.balance <> 0

)

select
  -- the first reason that applies
  case
    when not is_counted and amount_received > 0 then 'cancelled_but_paid'
    when amount_refunded > amount_paid then 'over_refunded'
    when amount_charged_back > 0 then 'charged_back'
    when kind = 'sale' and amount_paid = 0 and total_sales > 0 then 'unpaid'
    when abs(difference) <= smallest_amount then 'payment_rounding'
    when amount_returned > amount_refunded and difference > 0 then 'refund_due'
    when kind = 'sale' and line_count = 0 and difference > 0 then 'paid_without_items'
    when difference > 0 then 'overpaid'
    else 'underpaid'
  end as reason,
  'order' as subject,
  order_id as subject_id,
  currency,
  total_sales as expected,
  amount_received as actual,
  is_counted
from differing
