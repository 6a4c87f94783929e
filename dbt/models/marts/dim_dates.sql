with

events as (

  select * from {{ ref("int_days") }}

),

calendar_years as (

  select
    cast({{ dbt.date_trunc("year", "min(date_day)") }} as date) as first_date,
    cast({{ dbt.last_day("max(date_day)", "year") }} as date) as last_date
  from events

),

days as (

  {{ days_from("calendar_years", "first_date", "last_date") }}

),

-- counted from a Monday, for the names of ISO parts of a date differ between warehouses
weekdays as (

  select
    date_day,
    {{ days_between("cast('1900-01-01' as date)", "date_day") }} % 7 + 1 as iso_weekday
  from days

),

-- an ISO week belongs to the year of its Thursday
weeks as (

  select
    date_day,
    iso_weekday,
    cast({{ dbt.dateadd("day", "4 - iso_weekday", "date_day") }} as date) as thursday
  from weekdays

)

select
  date_day,
  cast(extract(year from date_day) as bigint) as year_number,
  cast(extract(quarter from date_day) as bigint) as quarter_number,
  cast(extract(month from date_day) as bigint) as month_number,
  cast({{ dbt.date_trunc("month", "date_day") }} as date) as month_start,
  cast(extract(year from thursday) as bigint) as iso_year,
  cast(floor((extract(doy from thursday) - 1) / 7) + 1 as bigint) as iso_week,
  cast(iso_weekday as bigint) as iso_weekday,
  iso_weekday >= 6 as is_weekend
from weeks
