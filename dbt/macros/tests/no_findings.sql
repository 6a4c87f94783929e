{#- Findings of one reason: a list to work through, hence a warning. -#}
{% test no_findings(model, reason) %}

{{ config(severity="warn") }}

select *
from {{ model }}
where reason = '{{ reason }}'

{% endtest %}
