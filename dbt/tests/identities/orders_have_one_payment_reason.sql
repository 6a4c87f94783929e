select
  subject_id,
  count(*) as reasons
from {{ ref("int_payment_findings") }}
group by subject_id
having count(*) > 1
