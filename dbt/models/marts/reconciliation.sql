with

findings as (

  select * from {{ ref("int_payment_findings") }}
  union all
  select * from {{ ref("int_line_findings") }}
  union all
  select * from {{ ref("int_link_findings") }}
  union all
  select * from {{ ref("int_balance_findings") }}

)

select
  {{ dbt.concat(["reason", "':'", "subject", "':'", "coalesce(currency, '')", "':'", "subject_id"]) }} as finding_id,
  reason,
  subject,
  subject_id,
  currency,
  {{ sum_of_money("expected") }} as expected,
  {{ sum_of_money("actual") }} as actual,
  {{ sum_of_money("actual - expected") }} as difference,
  is_counted
from findings
