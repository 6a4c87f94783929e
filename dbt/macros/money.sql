{#- Money of one row. -#}
{% macro money(expression) -%}
  cast({{ expression }} as decimal(18, 4))
{%- endmacro %}


{#- Money that is a sum of others. -#}
{% macro sum_of_money(expression) -%}
  cast({{ expression }} as decimal(38, 4))
{%- endmacro %}


{#- Money added up: 0 where there is nothing to add. -#}
{% macro sum_money(expression) -%}
  {{ sum_of_money("coalesce(sum(" ~ expression ~ "), 0)") }}
{%- endmacro %}


{#- Rows for which a condition holds. -#}
{% macro count_where(condition) -%}
  cast(count(case when {{ condition }} then 1 end) as bigint)
{%- endmacro %}


{#-
  A quotient of decimals, rounded to a constant number of digits; null where the divisor is 0. The cast to eight digits
  comes before the rounding: division is binary on DuckDB, and ties must round alike on every warehouse.
-#}
{% macro ratio(dividend, divisor, digits) -%}
  case
    when {{ divisor }} <> 0
      then cast(round(cast({{ dividend }} / {{ divisor }} as decimal(38, 8)), {{ digits }}) as decimal(18, {{ digits }}))
  end
{%- endmacro %}


{#-
  Money rounded half up to the currency's minor unit (a column with its number of digits, from the seed minor_units).
  Every branch is cast, or the case would take the type of its first branch and 49.99 would become 50.
-#}
{% macro round_to_minor_unit(expression, minor_unit) -%}
  case {{ minor_unit }}
    {%- for digits in [0, 2, 3, 4] %}
    when {{ digits }} then cast(round(cast({{ expression }} as decimal(38, 8)), {{ digits }}) as decimal(18, 4))
    {%- endfor %}
  end
{%- endmacro %}


{#-
  One row's share of an amount by cumulative rounding: round(amount × running / all) less the same of the row before.
  The shares add up to the amount exactly. `running` is the sum of the weights up to and with the row, `all` of all rows.
-#}
{% macro cumulative_share(amount, weight, running, all, minor_unit) -%}
  cast(
    {{ round_to_minor_unit(amount ~ " * " ~ running ~ " / " ~ all, minor_unit) }}
    - {{ round_to_minor_unit(amount ~ " * (" ~ running ~ " - " ~ weight ~ ") / " ~ all, minor_unit) }}
    as decimal(18, 4)
  )
{%- endmacro %}


{#-
  The share of one component in an amount that is spread over what is left of all of them:
  min(amount, left) × component / left, rounded to the minor unit; 0 where nothing is left.
-#}
{% macro share_of_left(amount, component, all_left, minor_unit) -%}
  case
    when {{ all_left }} <= 0 then {{ money(0) }}
    else {{ round_to_minor_unit("least(" ~ amount ~ ", " ~ all_left ~ ") * " ~ component ~ " / " ~ all_left, minor_unit) }}
  end
{%- endmacro %}


{#- The smallest amount of a currency: one minor unit. -#}
{% macro smallest_amount(minor_unit) -%}
  case {{ minor_unit }}
    when 0 then {{ money(1) }}
    when 2 then {{ money("0.01") }}
    when 3 then {{ money("0.001") }}
    when 4 then {{ money("0.0001") }}
  end
{%- endmacro %}
