{#-
  The latest version of each row of a landing table: the later updated_at wins, then the later partition. A key has one
  version a partition and updated_at, for ingestion quarantines others; the object's name only makes the order total.
-#}
{% macro latest_version(relation, key) -%}
  select *
  from {{ relation }}
  qualify row_number() over (
    partition by {{ key | join(", ") }}
    order by updated_at desc, _partition_date desc, _source_object desc
  ) = 1
{%- endmacro %}
