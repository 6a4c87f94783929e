{#- Rows of one relation that the other has not: none where two ways of adding up agree. -#}
{% macro symmetric_difference(one, other) -%}
  (
    select '{{ one }}' as only_in, differing.* from (select * from {{ one }} except select * from {{ other }}) as differing
  )
  union all
  (
    select '{{ other }}' as only_in, differing.* from (select * from {{ other }} except select * from {{ one }}) as differing
  )
{%- endmacro %}
