with

orders as (

  select
    *,
    is_counted and kind = 'sale' as is_sale
  from {{ ref("int_orders_counted") }}

),

credits as (

  select * from {{ ref("int_credits_by_order") }}

),

payments as (

  select * from {{ ref("int_order_payments") }}

),

-- where no settled payment was ever applied, payments are not known
paid_currencies as (

  select distinct currency from {{ ref("int_payments_booked") }}
  where is_applied and is_settled

),

amounts as (

  select
    orders.order_id,
    orders.currency,
    case when orders.is_sale then orders.subtotal else 0 end as gross_sales,
    case when orders.is_sale then orders.discount else 0 end as discounts,
    coalesce(credits.goods, 0) as returns,
    case when orders.is_sale then orders.shipping else 0 end - coalesce(credits.shipping, 0) as shipping_charges,
    case when orders.is_sale then orders.tax else 0 end - coalesce(credits.tax, 0) as taxes,
    case when orders.is_sale then orders.other else 0 end - coalesce(credits.other, 0) as other_charges,
    case when orders.is_sale then orders.tax_included else 0 end - coalesce(credits.tax_included, 0) as tax_included,
    case when orders.is_counted and orders.kind = 'adjustment' then orders.total else 0 end as adjustments,
    coalesce(credits.amount_returned, 0) as amount_returned,
    coalesce(credits.amount_credited, 0) as amount_credited,
    coalesce(payments.amount_paid, 0) as amount_paid,
    coalesce(payments.amount_refunded, 0) as amount_refunded,
    coalesce(payments.amount_charged_back, 0) as amount_charged_back,
    coalesce(payments.amount_received, 0) as amount_received,
    coalesce(payments.payment_count, 0) as payment_count
  from orders
  left join credits on orders.order_id = credits.sales_order_id
  left join payments on orders.order_id = payments.sales_order_id

),

terms as (

  select
    *,
    gross_sales - discounts - returns as net_sales,
    gross_sales - discounts - returns + shipping_charges + taxes + other_charges as total_sales
  from amounts

)

select
  terms.order_id,
  {% for term in [
    "gross_sales", "discounts", "returns", "net_sales", "shipping_charges", "taxes", "other_charges", "total_sales",
    "tax_included", "adjustments", "amount_returned", "amount_credited", "amount_paid", "amount_refunded",
    "amount_charged_back", "amount_received"
  ] -%}
    {{ sum_of_money("terms." ~ term) }} as {{ term }},
  {% endfor -%}
  case
    when paid_currencies.currency is not null then {{ sum_of_money("terms.total_sales - terms.amount_received") }}
  end as balance,
  terms.payment_count
from terms
left join paid_currencies on terms.currency = paid_currencies.currency
