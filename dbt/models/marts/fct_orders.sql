with

orders as (

  select * from {{ ref("stg_orders") }}

),

counted as (

  select * from {{ ref("int_orders_counted") }}

),

terms as (

  select * from {{ ref("int_order_terms") }}

),

sequences as (

  select * from {{ ref("int_order_sequences") }}

),

lines as (

  select * from {{ ref("int_order_lines") }}

)

select
  orders.order_id,
  orders.customer_id,
  orders.kind,
  orders.original_order_id,
  orders.status,
  orders.currency,
  orders.subtotal,
  orders.discount,
  orders.tax,
  orders.shipping,
  orders.other,
  orders.total,
  orders.tax_included as document_tax_included,
  orders.channel,
  orders.coupon_code,
  orders.ship_city,
  orders.ship_region,
  orders.ship_postal_code,
  orders.ship_country_code,
  orders.ordered_at,
  orders.approved_at,
  orders.shipped_at,
  orders.delivered_at,
  orders.estimated_delivery_at,
  orders.cancelled_at,
  orders.updated_at,

  counted.ordered_date,
  counted.sales_order_id,
  counted.is_counted,
  counted.is_order,

  terms.gross_sales,
  terms.discounts,
  terms.returns,
  terms.net_sales,
  terms.shipping_charges,
  terms.taxes,
  terms.other_charges,
  terms.total_sales,
  terms.tax_included,
  terms.adjustments,

  terms.amount_returned,
  terms.amount_credited,
  terms.amount_paid,
  terms.amount_refunded,
  terms.amount_charged_back,
  terms.amount_received,
  terms.balance,

  coalesce(lines.line_count, 0) as line_count,
  coalesce(lines.units, 0) as units,
  terms.payment_count,

  sequences.order_sequence,
  case
    when not counted.is_order then null
    when orders.customer_id is null then 'guest'
    when sequences.order_sequence = 1 then 'first'
    else 'repeat'
  end as order_type,
  sequences.days_since_previous_order,
  {{ days_between("counted.ordered_date", day_of("orders.shipped_at")) }} as days_to_ship,
  {{ days_between("counted.ordered_date", day_of("orders.delivered_at")) }} as days_to_deliver,
  {{ day_of("orders.delivered_at") }} > {{ day_of("orders.estimated_delivery_at") }} as is_late
from orders
inner join counted on orders.order_id = counted.order_id
inner join terms on orders.order_id = terms.order_id
left join sequences on orders.order_id = sequences.order_id
left join lines on orders.order_id = lines.order_id
