with

days as (

  select * from {{ ref("int_days") }}

),

orders as (

  select * from {{ ref("fct_orders") }}

),

sales as (

  select * from {{ ref("int_sales") }}

),

credits as (

  select * from {{ ref("int_order_credits") }}

),

lines as (

  select * from {{ ref("fct_order_items") }}

),

payments as (

  select * from {{ ref("fct_payments") }}

),

currencies as (

  select currency from orders
  union distinct
  select currency from payments

),

daily_orders as (

  select
    ordered_date as date_day,
    currency,
    {{ count_where("is_order") }} as orders,
    {{ count_where("order_type = 'first'") }} as first_orders,
    {{ count_where("order_type = 'repeat'") }} as repeat_orders,
    {{ count_where("order_type = 'guest'") }} as guest_orders,
    {{ count_where("kind = 'sale' and is_counted and not is_order") }} as zero_value_orders,
    {{ count_where("kind = 'sale' and not is_counted") }} as cancelled_orders,
    {{ sum_money("case when kind = 'sale' and not is_counted then total end") }} as cancelled_total,
    {{ sum_money("adjustments") }} as adjustments
  from orders
  group by ordered_date, currency

),

-- sales on the order's day, what was given back on the day of the return or refund
sales_and_credits as (

  select
    ordered_date as date_day,
    currency,
    subtotal as gross_sales,
    discount as discounts,
    {{ money(0) }} as returns,
    shipping,
    tax,
    other,
    tax_included
  from sales
  union all
  select
    date_day,
    currency,
    {{ money(0) }} as gross_sales,
    {{ money(0) }} as discounts,
    goods as returns,
    -shipping as shipping,
    -tax as tax,
    -other as other,
    -tax_included as tax_included
  from credits

),

daily_terms as (

  select
    date_day,
    currency,
    {{ sum_money("gross_sales") }} as gross_sales,
    {{ sum_money("discounts") }} as discounts,
    {{ sum_money("returns") }} as returns,
    {{ sum_money("gross_sales - discounts - returns") }} as net_sales,
    {{ sum_money("shipping") }} as shipping_charges,
    {{ sum_money("tax") }} as taxes,
    {{ sum_money("other") }} as other_charges,
    {{ sum_money("gross_sales - discounts - returns + shipping + tax + other") }} as total_sales,
    {{ sum_money("tax_included") }} as tax_included
  from sales_and_credits
  group by date_day, currency

),

daily_lines as (

  select
    ordered_date as date_day,
    currency,
    cast(sum(units_sold) as decimal(38, 3)) as units_sold
  from lines
  where is_applied
  group by ordered_date, currency

),

daily_payments as (

  select
    paid_date as date_day,
    currency,
    {{ sum_money("case when kind = 'payment' then settled_amount end") }} as amount_paid,
    {{ sum_money("case when kind = 'refund' then -settled_amount end") }} as amount_refunded,
    {{ sum_money("case when kind = 'chargeback' then -settled_amount end") }} as amount_charged_back,
    {{ sum_money("settled_amount") }} as amount_received
  from payments
  group by paid_date, currency

)

select
  days.date_day,
  currencies.currency,
  coalesce(daily_orders.orders, 0) as orders,
  coalesce(daily_orders.first_orders, 0) as first_orders,
  coalesce(daily_orders.repeat_orders, 0) as repeat_orders,
  coalesce(daily_orders.guest_orders, 0) as guest_orders,
  coalesce(daily_orders.zero_value_orders, 0) as zero_value_orders,
  coalesce(daily_orders.cancelled_orders, 0) as cancelled_orders,
  coalesce(daily_orders.cancelled_total, 0) as cancelled_total,
  coalesce(daily_lines.units_sold, 0) as units_sold,
  coalesce(daily_terms.gross_sales, 0) as gross_sales,
  coalesce(daily_terms.discounts, 0) as discounts,
  coalesce(daily_terms.returns, 0) as returns,
  coalesce(daily_terms.net_sales, 0) as net_sales,
  coalesce(daily_terms.shipping_charges, 0) as shipping_charges,
  coalesce(daily_terms.taxes, 0) as taxes,
  coalesce(daily_terms.other_charges, 0) as other_charges,
  coalesce(daily_terms.total_sales, 0) as total_sales,
  coalesce(daily_terms.tax_included, 0) as tax_included,
  coalesce(daily_orders.adjustments, 0) as adjustments,
  {{ ratio("(daily_terms.gross_sales - daily_terms.discounts)", "daily_orders.orders", 4) }} as average_order_value,
  coalesce(daily_payments.amount_paid, 0) as amount_paid,
  coalesce(daily_payments.amount_refunded, 0) as amount_refunded,
  coalesce(daily_payments.amount_charged_back, 0) as amount_charged_back,
  coalesce(daily_payments.amount_received, 0) as amount_received
from days
cross join currencies
left join daily_orders
  on days.date_day = daily_orders.date_day and currencies.currency = daily_orders.currency
left join daily_terms
  on days.date_day = daily_terms.date_day and currencies.currency = daily_terms.currency
left join daily_lines
  on days.date_day = daily_lines.date_day and currencies.currency = daily_lines.currency
left join daily_payments
  on days.date_day = daily_payments.date_day and currencies.currency = daily_payments.currency
