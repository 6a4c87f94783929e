{#- Whether a document of this status counts by itself; the list is a variable of the project. -#}
{% macro is_counted_status(status) -%}
  {{ status }} not in ('{{ var("uncounted_statuses") | join("', '") }}')
{%- endmacro %}
