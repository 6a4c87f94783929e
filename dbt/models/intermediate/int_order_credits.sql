{{ config(materialized="table") }}

{%- set so_far -%}
  over (
    partition by events.sales_order_id order by events.event_at, events.place, events.source_id
    rows between unbounded preceding and current row
  )
{%- endset -%}
{%- set before -%}
  over (partition by sales_order_id order by event_at, place, source_id)
{%- endset -%}
with

events as (

  select * from {{ ref("int_credit_events") }}

),

sales as (

  select * from {{ ref("int_sales") }}

),

minor_units as (

  select * from {{ ref("minor_units") }}

),

-- running sums over the events of a sale, and what is left of it; a return without a sale has a sale of 0
sums as (

  select
    events.sales_order_id,
    events.source_id,
    events.kind,
    events.place,
    events.event_at,
    events.date_day,
    events.currency,
    minor_units.minor_unit,
    coalesce(sales.total, 0) as sale_total,
    sum(events.paid) {{ so_far }} as paid,
    sum(events.refunded) {{ so_far }} as refunds,
    sum(events.returned) {{ so_far }} as returned,
    sum(events.returned_shipping) {{ so_far }} as returned_shipping,
    sum(events.returned_tax) {{ so_far }} as returned_tax,
    sum(events.returned_other) {{ so_far }} as returned_other,
    sum(events.returned_tax_included) {{ so_far }} as returned_tax_included,
    coalesce(sales.total, 0) - sum(events.returned) {{ so_far }} as all_left,
    coalesce(sales.shipping, 0) - sum(events.returned_shipping) {{ so_far }} as shipping_left,
    coalesce(sales.tax, 0) - sum(events.returned_tax) {{ so_far }} as tax_left,
    coalesce(sales.other, 0) - sum(events.returned_other) {{ so_far }} as other_left,
    coalesce(sales.tax_included, 0) - sum(events.returned_tax_included) {{ so_far }} as tax_included_left
  from events
  inner join minor_units on events.currency = minor_units.currency
  left join sales on events.sales_order_id = sales.order_id

),

-- giving back what was paid twice is no return
refunded as (

  select
    *,
    greatest({{ sum_of_money(0) }}, refunds - greatest({{ sum_of_money(0) }}, paid - sale_total)) as refunded
  from sums

),

credited as (

  select
    *,
    greatest(returned, refunded) as credited,
    greatest(returned, refunded) - returned as undocumented
  from refunded

),

-- documents split themselves; what no document splits is spread over what is left of the sale
split as (

  select
    *,
    returned_shipping + {{ share_of_left("undocumented", "shipping_left", "all_left", "minor_unit") }} as shipping,
    returned_tax + {{ share_of_left("undocumented", "tax_left", "all_left", "minor_unit") }} as tax,
    returned_other + {{ share_of_left("undocumented", "other_left", "all_left", "minor_unit") }} as other,
    returned_tax_included
    + {{ share_of_left("undocumented", "tax_included_left", "all_left", "minor_unit") }} as tax_included
  from credited

),

states as (

  select
    *,
    credited - shipping - tax - other as goods
  from split

)

-- an event's amounts are the state after it less the state before it
select
  sales_order_id,
  source_id,
  kind,
  date_day,
  currency,
  {{ sum_of_money("returned - coalesce(lag(returned) " ~ before ~ ", 0)") }} as returned,
  {{ sum_of_money("credited - coalesce(lag(credited) " ~ before ~ ", 0)") }} as credited,
  {{ sum_of_money("goods - coalesce(lag(goods) " ~ before ~ ", 0)") }} as goods,
  {{ sum_of_money("shipping - coalesce(lag(shipping) " ~ before ~ ", 0)") }} as shipping,
  {{ sum_of_money("tax - coalesce(lag(tax) " ~ before ~ ", 0)") }} as tax,
  {{ sum_of_money("other - coalesce(lag(other) " ~ before ~ ", 0)") }} as other,
  {{ sum_of_money("tax_included - coalesce(lag(tax_included) " ~ before ~ ", 0)") }} as tax_included
from states
