{%- set terms = [
  "gross_sales", "discounts", "returns", "net_sales", "shipping_charges", "taxes", "other_charges", "total_sales",
  "tax_included", "adjustments"
] -%}
with

by_event as (

  select
    currency,
    {% for term in terms -%}
      {{ sum_money(term) }} as {{ term }},
    {% endfor -%}
    {{ sum_money("cancelled_total") }} as cancelled_total,
    cast(sum(orders) as bigint) as orders,
    cast(sum(first_orders) as bigint) as first_orders,
    cast(sum(repeat_orders) as bigint) as repeat_orders,
    cast(sum(guest_orders) as bigint) as guest_orders,
    cast(sum(zero_value_orders) as bigint) as zero_value_orders,
    cast(sum(cancelled_orders) as bigint) as cancelled_orders
  from {{ ref("daily_sales") }}
  group by currency

),

-- a currency of payments only has days, but no documents
currencies as (

  select distinct currency from {{ ref("daily_sales") }}

),

by_order as (

  select
    currencies.currency,
    {% for term in terms -%}
      {{ sum_money("orders." ~ term) }} as {{ term }},
    {% endfor -%}
    {{ sum_money("case when not orders.is_counted and orders.kind = 'sale' then orders.total end") }}
      as cancelled_total,
    {{ count_where("orders.is_order") }} as orders,
    {{ count_where("orders.order_type = 'first'") }} as first_orders,
    {{ count_where("orders.order_type = 'repeat'") }} as repeat_orders,
    {{ count_where("orders.order_type = 'guest'") }} as guest_orders,
    {{ count_where("orders.kind = 'sale' and orders.is_counted and not orders.is_order") }} as zero_value_orders,
    {{ count_where("orders.kind = 'sale' and not orders.is_counted") }} as cancelled_orders
  from currencies
  left join {{ ref("fct_orders") }} as orders on currencies.currency = orders.currency
  group by currencies.currency

)

{{ symmetric_difference("by_event", "by_order") }}
