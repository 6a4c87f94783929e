{#- The day that an event belongs to: its UTC date. The one place to change for a shop's own time zone. -#}
{% macro day_of(timestamp) -%}
  cast({{ timestamp }} as date)
{%- endmacro %}


{#- Days from one date to another; null where one of them is. -#}
{% macro days_between(first_date, second_date) -%}
  cast({{ dbt.datediff(first_date, second_date, "day") }} as bigint)
{%- endmacro %}


{#- Every day from the first to the last of a relation of one row, as date_day; none where they are null. -#}
{% macro days_from(relation, first_date, last_date) -%}
  select cast({{ dbt.dateadd("day", "numbers.generated_number - 1", "range_of_days." ~ first_date) }} as date) as date_day
  from {{ relation }} as range_of_days
  inner join ({{ dbt.generate_series(110000) }}) as numbers {# all days of the contracts' years, 1900 to 2199 #}
    on numbers.generated_number <= {{ dbt.datediff("range_of_days." ~ first_date, "range_of_days." ~ last_date, "day") }} + 1
{%- endmacro %}
