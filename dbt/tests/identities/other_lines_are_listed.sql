-- a sale or return is a finding of its lines, or its lines meet its subtotal; never both
with

documents as (

  select * from {{ ref("fct_orders") }}
  where kind in ('sale', 'return')

),

lines as (

  select
    order_id,
    {{ sum_money("case when is_applied then line_total + discount end") }} as subtotal
  from {{ ref("fct_order_items") }}
  group by order_id

),

findings as (

  select
    subject_id,
    count(*) as number_of_findings
  from {{ ref("reconciliation") }}
  where reason in ('order_without_items', 'items_rounding', 'items_differ')
  group by subject_id

),

compared as (

  select
    documents.order_id,
    documents.subtotal,
    lines.subtotal as subtotal_of_lines,
    coalesce(findings.number_of_findings, 0) as number_of_findings
  from documents
  left join lines on documents.order_id = lines.order_id
  left join findings on documents.order_id = findings.subject_id

)

select * from compared
where number_of_findings <> case when subtotal_of_lines = subtotal then 0 else 1 end
