{#- Keys that stand on more than one row; a null in a key counts as a value. -#}
{% test unique_key(model, columns) %}

select
  {{ columns | join(", ") }},
  count(*) as number_of_rows
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1

{% endtest %}
