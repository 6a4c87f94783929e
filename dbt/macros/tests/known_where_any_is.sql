{#- Members of a dimension that are only named, where the shop has the entity at all. -#}
{% test known_where_any_is(model) %}

select *
from {{ model }}
where not is_known and exists (select 1 from {{ model }} as known where known.is_known)

{% endtest %}
