"""The stack in containers: bring it up, take it down, run days through it, ask what it did."""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import images

from libs.errors import CallError, StageError
from libs.stage import command

if TYPE_CHECKING:
    from orchestrator.progress import Move

ROOT = Path(__file__).parents[1]
SOCKET = "/var/run/docker.sock"
JOB = "daily"
LOOK_SECONDS = 0.5

_ASSETS = "{ assetNodes { assetKey { path } isMaterializable isPartitioned opNames partitionKeys } }"
_LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename
  ... on LaunchRunSuccess { run { runId } }
  ... on Error { message }
  ... on RunConfigValidationInvalid { errors { message } }
} }"""
_EVENTS = """query ($run: ID!, $after: String) {
  logsForRun(runId: $run, afterCursor: $after) { ... on Error { message } ... on EventConnection { cursor hasMore
  events {
    __typename
    ... on MessageEvent { message stepKey }
    ... on MaterializationEvent { assetKey { path } partition }
    ... on ExecutionStepFailureEvent {
      error { message causes { message } }
      failureMetadata { description metadataEntries { label ... on MarkdownMetadataEntry { mdStr } } }
    }
    ... on AssetCheckEvaluationEvent { evaluation { assetKey { path } checkName partition success severity } }
    ... on RunFailureEvent { error { message } }
  } } }
  runOrError(runId: $run) { ... on Run { status } }
}"""
_ENDED = {"SUCCESS": "done", "FAILURE": "failed", "CANCELED": "cancelled"}

Node = dict[str, Any]
Event = dict[str, Any]


class Dagster:
    """Dagster's GraphQL at the address of its web pages."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer. Raises StageError where nobody answers or the question is refused."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise StageError(f"{self.url} refused a question: {error.read().decode(errors='replace')}") from error
        except (OSError, ValueError) as error:
            raise StageError(f"no Dagster answers at {self.url} ({error}): see `just logs`") from error
        if "errors" in found:
            raise StageError(f"{self.url} refused a question: {found['errors'][0]['message']}")
        return found["data"]

    def assets(self) -> list[Node]:
        """Return the assets that a stage makes. Raises StageError where the code location has none."""
        found = [node for node in self.ask(_ASSETS)["assetNodes"] if node["isMaterializable"]]
        if not found:
            raise StageError(f"{self.url} knows no assets: the code location is not loaded, see `just logs code`")
        return found

    def launch(self, assets: Sequence[Node], tags: Mapping[str, str]) -> str:
        """Launch a run of some assets; return its id. Raises StageError where Dagster refuses it."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "orchestrator",
            "jobName": JOB,
            # Named, or automation would not see what the run makes itself, and would make it again.
            "assetSelection": [node["assetKey"] for node in assets],
        }
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "runConfigData": {}, "executionMetadata": metadata}
        answer = self.ask(_LAUNCH, params=params)["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            errors = [error["message"] for error in answer.get("errors", [])] or [answer.get("message")]
            raise StageError(f"Dagster does not launch the run: {'; '.join(map(str, errors))}")
        return str(answer["run"]["runId"])

    def follow(self, run_id: str) -> Iterator[Event]:
        """Yield every event of a run as it comes, and at its end one that has only its `status`."""
        cursor, more, status = None, True, ""
        while more or status not in _ENDED:
            if not more:
                time.sleep(LOOK_SECONDS)
            answer = self.ask(_EVENTS, run=run_id, after=cursor)
            log, status = answer["logsForRun"], answer["runOrError"]["status"]
            if "events" not in log:
                raise StageError(f"Dagster does not tell of run {run_id}: {log.get('message')}")
            # What ended between the two halves of an answer is read by the next one.
            cursor, more = log["cursor"], log["hasMore"] or bool(log["events"])
            yield from log["events"]
        yield {"__typename": "", "status": status}


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags that make one run of a range of days."""
    return {
        "dagster/asset_partition_range_start": str(first),
        "dagster/asset_partition_range_end": str(last),
        "shop_elt/command": "stack-backfill",
    }


def totals(assets: Sequence[Node], days: int) -> dict[str, int]:
    """Return how much there is to do for each stage: entities by days, or assets that have none."""
    found: dict[str, int] = {}
    for stage in ("generator", "ingestor", "loader", "dbt"):
        of = [node for node in assets if node["opNames"][0] == stage]
        entities = {node["assetKey"]["path"][-1] for node in of if node["isPartitioned"]}
        if of:
            found[stage] = len(entities) * days + sum(not node["isPartitioned"] for node in of)
    return found


def failures(event: Event) -> list[str]:
    """Return what an event says that failed, line by line, for people."""
    kind = event["__typename"]
    if kind == "ExecutionStepFailureEvent":
        return [f"{event['stepKey']}: {line}" for line in _step_failure(event)]
    if kind == "AssetCheckEvaluationEvent":
        check = event["evaluation"]
        if check["success"] or check["severity"] != "ERROR":
            return []
        day = f" on {check['partition']}" if check["partition"] else ""
        return [f"check {check['checkName']} of {'/'.join(check['assetKey']['path'])} failed{day}"]
    if kind == "RunFailureEvent":
        return [str(event["error"]["message"]).strip()] if event["error"] else []
    return []


def _step_failure(event: Event) -> list[str]:
    metadata = event["failureMetadata"]
    if metadata:
        listed = {entry["label"]: str(entry["mdStr"]) for entry in metadata["metadataEntries"] if "mdStr" in entry}
        if "failed" in listed:
            return listed["failed"].removeprefix("* ").split("\n* ")
        if metadata["description"]:
            return [str(metadata["description"])]
    error = event["error"]
    if not error:
        return [str(event["message"])]
    return [str((error["causes"] or [error])[-1]["message"]).strip()]


def move(event: Event) -> "Move | None":
    """Return what an event means for the bar of its stage."""
    from orchestrator.history import told

    match event["__typename"]:
        case "ExecutionStepStartEvent":
            return "begins"
        case "LogMessageEvent" if told(event["message"]):
            return "advances"
        case "MaterializationEvent" if event["partition"] is None:  # a model
            return "advances"
        case "ExecutionStepSuccessEvent":
            return "done"
        case "ExecutionStepFailureEvent":
            return "failed"
    return None


def backfill(args: argparse.Namespace) -> int:
    """Launch a range of days as one run of all assets, follow it, and tell how it ended."""
    from orchestrator.progress import Bars  # imports Dagster, a second

    first, last = args.first, args.last or args.first
    if last < first:
        raise CallError(f"the last day, {last}, is before the first, {first}")
    dagster = Dagster(args.url or address())
    assets = dagster.assets()
    known: list[str] = next((node["partitionKeys"] for node in assets if node["isPartitioned"]), [])
    missing = [day for day in (first, last) if str(day) not in known]
    if missing:
        there_are = f"there are {known[0]} to {known[-1]}" if known else "there are no days yet"
        raise CallError(f"{missing[0]} is no day of the stack: {there_are} (UTC; FIRST_DAY in .env)")
    began = time.monotonic()
    run_id = dagster.launch(assets, range_tags(first, last))
    page = f"{dagster.url}/runs/{run_id}"
    print(f"run {run_id[:8]}: {page}", file=sys.stderr)
    found: list[str] = []
    status, steps_failed = "", False
    try:
        with Bars(totals(assets, (last - first).days + 1), sys.stderr) as bars:
            for event in dagster.follow(run_id):
                bars.move(event.get("stepKey"), move(event))
                steps_failed |= event["__typename"] == "ExecutionStepFailureEvent"
                if not steps_failed or event["__typename"] != "RunFailureEvent":  # which would say it again
                    found += failures(event)
                status = event.get("status", status)
    except KeyboardInterrupt:
        print(f"stack backfill: the run goes on in the stack; stop it at {page}", file=sys.stderr)
        return 130
    days = str(first) if first == last else f"{first} to {last}"
    print(f"{days}: {_ENDED[status]} in {time.monotonic() - began:.0f} s")
    for line in dict.fromkeys(found):
        print(f"stack backfill: {line}", file=sys.stderr)
    return 0 if status == "SUCCESS" and not found else 1


def up(_: argparse.Namespace) -> int:
    """Build the images, start everything, wait until it is healthy, and print where to look."""
    file = ROOT / ".env"
    if not file.exists() and "POSTGRES_PASSWORD" not in os.environ:
        shutil.copyfile(ROOT / ".env.example", file)
        print("stack up: made .env from .env.example", file=sys.stderr)
    _engine()
    image = str(_config()["services"]["code"]["image"])
    images.main(["--tag", image.rpartition(":")[2]])
    group = group_of_socket(image)
    if compose("up", "--detach", "--wait", "--remove-orphans", environment={"DOCKER_GID": group}):
        raise StageError("a service did not start: see above, and `just logs SERVICE`")
    print("run days    just backfill FIRST LAST")
    print(f"Dagster     {address()}\ndbt's docs  {address('docs', 8082)}")
    return 0


def down(_: argparse.Namespace) -> int:
    """Cancel what runs, stop and remove the containers; data stay."""
    _engine()
    _end_runs()
    return compose("down", "--remove-orphans")


def reset(_: argparse.Namespace) -> int:
    """Cancel what runs, remove containers and all data (lake, warehouse, Dagster's history), say what was removed."""
    _engine()
    config = _config()
    warehouse = config["services"]["code"]["environment"]["STAGE_VOLUMES"].partition(":")[0]  # no service mounts it
    named = [warehouse, *(volume["name"] for volume in config["volumes"].values())]
    there = [name for name in _output("docker", "volume", "ls", "--quiet").split() if name in named]
    _end_runs()
    code = compose("down", "--volumes", "--remove-orphans")
    if not code:
        if warehouse in there:
            _output("docker", "volume", "rm", warehouse)
        print(f"removed with their data: {', '.join(there)}" if there else "there were no data to remove")
    return code


def logs(args: argparse.Namespace) -> int:
    """Show what services say, and follow them until Ctrl-C."""
    _engine()
    with suppress(KeyboardInterrupt):
        return compose("logs", "--follow", "--tail", "100", *args.services)
    return 0


def status(args: argparse.Namespace) -> int:
    """Print what was done, what failed and what is missing of the latest days, and how dbt ended."""
    address()
    return compose("exec", "--no-TTY", "code", "orchestrator", "status", "--days", str(args.days))


def running(_: argparse.Namespace) -> int:
    """Tell by the exit code whether the stack is up, and if so where."""
    try:
        where = address()
    except CallError:
        return 1
    print(f"in the stack at {where}; with DATA set, on this machine", file=sys.stderr)
    return 0


def compose(*words: str, environment: Mapping[str, str] | None = None) -> int:
    """Run docker compose on the stack; return its exit code."""
    return subprocess.run([*_compose(), *words], env={**os.environ, **(environment or {})}, check=False).returncode


def address(service: str = "webserver", port: int = 3000) -> str:
    """Return where a service's pages are. Raises CallError where it does not run."""
    _engine()
    done = subprocess.run([*_compose(), "port", service, str(port)], capture_output=True, text=True, check=False)
    found = done.stdout.strip()
    if done.returncode or not found or found.endswith(":0"):
        raise CallError("the stack is not up: `just up` starts it")
    return f"http://{found.replace('127.0.0.1', 'localhost').replace('0.0.0.0', 'localhost')}"  # noqa: S104 - printed


def group_of_socket(image: str) -> str:
    """Return the group that may use the engine's socket, as containers see it: it need not be the host's."""
    volume = f"{SOCKET}:{SOCKET}"
    return _output("docker", "run", "--rm", "--network", "none", "--volume", volume, image, "stat", "-c", "%g", SOCKET)


def _compose() -> list[str]:
    return ["docker", "compose", "--project-directory", str(ROOT)]


def _end_runs() -> None:
    """Cancel the runs, whose containers are not compose's and hold network and volumes; remove what is left of them."""
    network = _config()["networks"]["shop-elt"]["name"]
    there = ["docker", "ps", "--all", "--quiet", "--filter", f"network={network}", "--filter"]
    compose("stop", "daemon")  # which would begin the next one
    if runs := _output(*there, "label=dagster/job_name").split():
        subprocess.run(["docker", "stop", "--time", "40", *runs], capture_output=True, check=False)
    if left := _output(*there, "label=dagster/run_id").split():
        subprocess.run(["docker", "rm", "--force", "--volumes", *left], capture_output=True, check=False)


def _config() -> Any:
    """Return the compose file with its variables filled in."""
    return json.loads(_output(*_compose(), "config", "--format", "json"))


def _engine() -> None:
    if shutil.which("docker") is None:
        raise CallError("there is no command docker: install Docker, or put it on the PATH")
    done = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CallError(f"no Docker engine answers: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def _output(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError(f"`{' '.join(itertools.islice(words, 3))}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = command.ArgumentParser(prog="stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=command.ArgumentParser)
    for handle in (up, down, reset, logs, backfill, status, running):
        one = commands.add_parser(handle.__name__, help=handle.__doc__, description=handle.__doc__)
        one.set_defaults(handle=handle)
        if handle is logs:
            one.add_argument("services", nargs="*", metavar="SERVICE", help="by default all")
        elif handle is backfill:
            one.add_argument("first", type=command.day, metavar="FIRST", help="the day, as 2025-11-01 (UTC)")
            one.add_argument("last", type=command.day, nargs="?", metavar="LAST", help="the last day of a range")
            one.add_argument("--url", help="Dagster's address (default: the stack's of this checkout)")
        elif handle is status:
            one.add_argument("--days", type=int, default=14, metavar="N", help="how many days (default: 14)")
    return parser


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    command.main(_parser(), argv)


if __name__ == "__main__":
    main()
