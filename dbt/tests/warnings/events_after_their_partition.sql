{%- set event_times = {
  "customers": "created_at", "products": "created_at", "orders": "ordered_at", "order_items": "ordered_at",
  "payments": "paid_at"
} -%}
{% for entity, event_time in event_times.items() -%}
  select
    '{{ entity }}' as entity,
    _source_object,
    _partition_date,
    {{ event_time }} as event_at
  from {{ source("landing", entity) }}
  where {{ day_of(event_time) }} > _partition_date
  {{ "union all" if not loop.last }}
{% endfor %}
