{#- Stop in one line, before anything is built, where nothing was ever loaded. Other commands (docs, compile) go on. -#}
{% macro require_landing_tables() -%}
  {%- if execute and flags.WHICH in ['build', 'run', 'test', 'snapshot'] -%}
    {%- for source in graph.sources.values() if not load_relation(api.Relation.create(
        database=source.database, schema=source.schema, identifier=source.identifier
    )) -%}
      {{ exceptions.raise_compiler_error(
        "the warehouse " ~ target.database ~ " holds no table " ~ source.schema ~ "." ~ source.identifier
        ~ ": run `just demo`, or `loader load` with your own files, first"
      ) }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}
