-- where payments are known: Σ amount_received − Σ total_sales = Σ difference of payment findings
-- + what was received on adjustments
with

orders as (

  select
    currency,
    {{ sum_money("amount_received - total_sales") }} as difference,
    {{ sum_money("case when kind = 'adjustment' then amount_received end") }} as received_on_adjustments
  from {{ ref("fct_orders") }}
  where balance is not null
  group by currency

),

findings as (

  select
    currency,
    {{ sum_money("difference") }} as difference
  from {{ ref("reconciliation") }}
  where
    reason in (
      'cancelled_but_paid', 'over_refunded', 'charged_back', 'unpaid', 'payment_rounding', 'refund_due',
      'paid_without_items', 'overpaid', 'underpaid'
    )
  group by currency

),

bridge as (

  select
    orders.currency,
    orders.difference,
    orders.received_on_adjustments,
    coalesce(findings.difference, 0) as difference_of_findings
  from orders
  left join findings on orders.currency = findings.currency

)

select * from bridge
where difference <> difference_of_findings + received_on_adjustments
