-- per sale, anew from documents and payments: the larger of what was returned and what was refunded,
-- where giving back what was paid twice is no return
with

orders as (

  select * from {{ ref("fct_orders") }}

),

documents as (

  select
    sales_order_id,
    {{ sum_money("case when kind = 'sale' then total end") }} as sale_total,
    {{ sum_money("case when kind = 'return' then -total end") }} as returned
  from orders
  where is_counted
  group by sales_order_id

),

payments as (

  select
    sales_order_id,
    {{ sum_money("case when kind = 'payment' then amount end") }} as paid,
    {{ sum_money("case when kind = 'refund' then amount end") }} as refunds
  from {{ ref("fct_payments") }}
  where is_applied and status = 'settled'
  group by sales_order_id

),

amounts as (

  select
    orders.order_id,
    orders.amount_returned,
    orders.amount_credited,
    orders.kind <> 'adjustment' and orders.is_counted and orders.sales_order_id = orders.order_id as is_credited,
    coalesce(documents.sale_total, 0) as sale_total,
    coalesce(documents.returned, 0) as returned,
    coalesce(payments.paid, 0) as paid,
    coalesce(payments.refunds, 0) as refunds
  from orders
  left join documents on orders.order_id = documents.sales_order_id
  left join payments on orders.order_id = payments.sales_order_id

),

rule as (

  select
    *,
    case when is_credited then returned else 0 end as expected_returned,
    case
      when is_credited then greatest(returned, refunds - greatest(paid - sale_total, 0), 0)
      else 0
    end as expected_credited
  from amounts

)

select * from rule
where amount_returned <> expected_returned or amount_credited <> expected_credited
