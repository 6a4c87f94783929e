# Recipes for people. `just` lists them; `./justw` runs them where uv is not installed.

set shell := ["bash", "-euo", "pipefail", "-c"]

data := env("DATA", justfile_directory() / ".data")
export LAKE := env("LAKE", data / "lake")
export WAREHOUSE := env("WAREHOUSE", data / "warehouse/shop.duckdb")
export DAGSTER_HOME := env("DAGSTER_HOME", data / "dagster")
# The default of LAKE is for recipes on this machine: the stack's is in its own files.
stack := (if env("LAKE", "") == "" { "env -u LAKE " } else { "" }) + "uv run python scripts/stack.py"
# Whose days `backfill` and `status` are about: the stack's if it is up, but for those who name places of their own.
places := env("DATA", "") + env("LAKE", "") + env("WAREHOUSE", "") + env("DAGSTER_HOME", "")
in_stack := if places == "" { stack + " running" } else { "false" }

# List the recipes
[private]
default:
  @{{ just_executable() }} --list --unsorted

# Fifteen days of a synthetic shop, from files to marts, through Dagster
[group('run'), no-exit-message]
demo:
  @uv run python scripts/demo.py shop --lake "$LAKE" --warehouse "$WAREHOUSE"

# A real shop (Olist), from its own files to marts, compared to the cent
[group('run'), no-exit-message]
demo-olist path="../shared/data/olist":
  @uv run python scripts/demo.py olist --input "{{ path }}" --lake "{{ data }}/olist/lake" --warehouse "{{ data }}/olist/olist.duckdb"

# Run days through all stages, in the stack if it is up; what fails is named (here also --select, --config)
[group('run'), no-exit-message]
backfill first *options:
  @if {{ in_stack }}; then {{ stack }} backfill "{{ first }}" {{ options }}; else uv run orchestrator backfill "{{ first }}" {{ options }}; fi

# Print what was done, failed and is missing of the latest days, and how dbt ended; of the stack if it is up
[group('run'), no-exit-message]
status *options:
  @if {{ in_stack }}; then {{ stack }} status {{ options }}; else uv run orchestrator status {{ options }}; fi

# Open Dagster's UI with the history on :3000
[group('run'), no-exit-message]
dev *options:
  @uv run orchestrator dev {{ options }}

# Make the landing files of a day (--to DAY: of a range)
[group('run'), no-exit-message]
generate day *options:
  @[ "${LANDING:-generator}" = generator ] || { echo "generate: LANDING=$LANDING: files come from others, nothing is written among them" >&2; exit 2; }
  @uv run generator generate --date "{{ day }}" --dest "$LAKE" {{ options }}

# Ingest a day (--to DAY: a range): landing to validated and quarantined rows
[group('run'), no-exit-message]
ingest day *options:
  @uv run ingestor ingest --date "{{ day }}" --source "$LAKE" --dest "$LAKE" {{ options }}

# Load a day (--to DAY: a range): validated rows to the warehouse
[group('run'), no-exit-message]
load day *options:
  @uv run loader load --date "{{ day }}" --source "$LAKE" {{ options }}

# Build and test the marts
[group('run'), no-exit-message]
build *options:
  @uv run dbt-stage build {{ options }}

# Print how sales become cash, reason by reason
[group('run'), no-exit-message]
reconcile *options:
  @uv run dbt-stage reconcile {{ options }}

# Serve dbt's docs with lineage on :8082
[group('run'), no-exit-message]
docs:
  cd dbt && uv run dbt docs generate --quiet && uv run dbt docs serve --port 8082 --no-browser

# Build the images, all or those named, and print their sizes (--tag)
[group('containers'), no-exit-message]
images *options:
  @uv run python scripts/images.py {{ options }}

# Build and start the stack in containers: Dagster on :3000, dbt's docs on :8082
[group('containers'), no-exit-message]
up:
  @{{ stack }} up

# Stop the stack; its data stay
[group('containers'), no-exit-message]
down:
  @{{ stack }} down

# Stop the stack and remove its data, without asking
[group('containers'), no-exit-message]
reset:
  @{{ stack }} reset

# Show and follow what the stack's services say
[group('containers'), no-exit-message]
logs *services:
  @{{ stack }} logs {{ services }}

# Run days through the stack: one run, every stage in a container of its own
[group('containers'), no-exit-message]
stack-backfill first last="" *options:
  @{{ stack }} backfill "{{ first }}" {{ last }} {{ options }}

# Print what was done, failed and is missing of the stack's latest days (--days)
[group('containers'), no-exit-message]
stack-status *options:
  @{{ stack }} status {{ options }}

# All tests that need no Docker (those that do run too where an engine answers), with a coverage floor
[group('develop')]
test *options:
  uv run pytest -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term {{ options }}

# The whole stack in containers, as its users have it: some minutes, needs Docker
[group('develop')]
e2e *options:
  E2E=1 uv run pytest tests/e2e {{ options }}

# The tests at their nightly size: thousands of generated examples, 200 random shops
[group('develop')]
nightly *options:
  HYPOTHESIS_PROFILE=nightly SHOPS=200 uv run pytest -n auto --dist loadfile --no-loadscope-reorder {{ options }}

# Format, lint, types, import directions
[group('develop')]
lint:
  uv lock --check --quiet
  uv run ruff format --check
  uv run ruff check
  uv run mypy
  uv run lint-imports
  uv run shellcheck justw .ci/run
  uv run hadolint */Dockerfile
  uv run check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
  uv run check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
  uv run zizmor --offline --quiet .github
  cd dbt && uv run sqlfluff lint --processes 2 models tests

# Mend what can be mended by itself
[group('develop')]
fix:
  uv run ruff format
  uv run ruff check --fix
  cd dbt && uv run sqlfluff fix --processes 2 models tests

# Write what is generated from the contracts: JSON Schema, data dictionary, dbt's sources
[group('develop')]
document:
  uv run libs document
  uv run dbt-stage sources

# 2 M orders: dbt build against copying the same tables (see bench/README.md)
[group('develop')]
bench-marts *options:
  @uv run python bench/marts.py {{ options }}

# 2 M and 20 M orders: ingestion against the plain loop, other validators and rewriting unchecked (see bench/README.md)
[group('develop')]
bench-ingest *options:
  @uv run --group bench python bench/ingest.py {{ options }}

# A million orders: the generator against Polars writing the same rows, Faker, Mimesis and jafgen (see bench/README.md)
[group('develop')]
bench-generate *options:
  @uv run --group bench python bench/generate.py {{ options }}

# 1 M orders and more, then Olist's days: the loader against DuckDB's own COPY, many files against few (see bench/README.md)
[group('develop')]
bench-load *options:
  @uv run --group bench python bench/load.py {{ options }}

# Pictures of Dagster's pages for the docs, on the history of `just demo` (needs chromium)
[group('develop')]
screenshots:
  @uv run python scripts/screenshots.py docs/images

# Remove what the demos and stages made
[group('develop')]
clean:
  rm -rf "{{ data }}"/lake "{{ data }}"/dagster "{{ data }}"/olist "{{ data }}"/warehouse/*.duckdb* dbt/target dbt/logs
