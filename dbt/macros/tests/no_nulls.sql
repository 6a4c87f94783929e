{#- Rows of which one of the columns is null. -#}
{% test no_nulls(model, columns) %}

select *
from {{ model }}
where
  {% for column in columns -%}
    {{ "or " if not loop.first }}{{ column }} is null
  {% endfor %}

{% endtest %}
