{#- Models stand in the schema that is named for their layer, without the target's schema as a prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
