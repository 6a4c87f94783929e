with

counted as (

  select * from {{ ref("int_orders_counted") }}
  where is_counted

),

payments as (

  select * from {{ ref("int_payments_booked") }}
  where is_applied and is_settled and kind in ('payment', 'refund')

),

return_events as (

  select
    sales_order_id,
    order_id as source_id,
    'return' as kind,
    2 as place,
    ordered_at as event_at,
    ordered_date as date_day,
    currency,
    {{ money(0) }} as paid,
    {{ money(0) }} as refunded,
    -total as returned,
    -shipping as returned_shipping,
    -tax as returned_tax,
    -other as returned_other,
    -tax_included as returned_tax_included
  from counted
  where kind = 'return'

),

-- what is booked on an adjustment is no sale's
payment_events as (

  select
    payments.sales_order_id,
    payments.payment_id as source_id,
    payments.kind,
    case payments.kind when 'payment' then 1 else 3 end as place,
    payments.paid_at as event_at,
    payments.paid_date as date_day,
    payments.currency,
    case payments.kind when 'payment' then payments.settled_amount else {{ money(0) }} end as paid,
    case payments.kind when 'refund' then -payments.settled_amount else {{ money(0) }} end as refunded,
    {{ money(0) }} as returned,
    {{ money(0) }} as returned_shipping,
    {{ money(0) }} as returned_tax,
    {{ money(0) }} as returned_other,
    {{ money(0) }} as returned_tax_included
  from payments
  inner join counted on payments.sales_order_id = counted.order_id
  where counted.kind in ('sale', 'return')

),

events as (

  select * from return_events
  union all
  select * from payment_events

),

-- payments alone give nothing back
given_back as (

  select distinct sales_order_id from events
  where kind in ('return', 'refund')

)

select events.*
from events
inner join given_back on events.sales_order_id = given_back.sales_order_id
