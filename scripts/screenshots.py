"""Pictures of Dagster's pages on the history in DAGSTER_HOME, taken by headless Chromium for the docs. Gates nothing.

Run `just demo` first. Needs `chromium` on PATH (Debian: apt-get install chromium).
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

DAY = "2025-11-05"
PAGES = {
    "run": "runs/{run}",
    "lineage": "asset-groups",
    "partitions": "assets/validated_raw/orders?view=partitions&partition={day}",
    "quarantine": "assets/quarantine_raw/orders?view=partitions&partition={day}",
    "checks": "assets/validated_raw/orders?view=checks",
    "mart": "assets/marts/fct_orders?view=overview",
    "columns": "assets/marts/fct_orders?view=events",
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--page", choices=PAGES, action="append", help="only this one; may be repeated")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("screenshots: chromium is not on PATH: install it (Debian: apt-get install chromium)")
    with dg.DagsterInstance.get() as instance:
        runs = instance.get_runs(
            limit=1, filters=dg.RunsFilter(job_name="daily", statuses=[dg.DagsterRunStatus.SUCCESS])
        )
    if not runs:
        sys.exit("screenshots: DAGSTER_HOME has no run of the job `daily` that succeeded: run `just demo` first")
    args.folder.mkdir(parents=True, exist_ok=True)
    with webserver() as url:
        for name in args.page or PAGES:
            file = args.folder / f"{name}.png"
            picture(chromium, f"{url}/{PAGES[name].format(run=runs[0].run_id, day=DAY)}", file)
            print(f"written: {file}")


@contextmanager
def webserver() -> Iterator[str]:
    """Serve Dagster's pages on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["dagster-webserver", "-m", "orchestrator.definitions", "-p", str(port), "--read-only"]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"{url}/server_info")
            yield url
        finally:
            server.terminate()


def wait_for(url: str, seconds: float = 60) -> None:
    """Wait until a page is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url).close()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return


def picture(chromium: str, url: str, file: Path) -> None:
    """Let a page load and settle, and take its picture."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1600,1000"]
    subprocess.run(
        [chromium, *options, "--virtual-time-budget=20000", "--timeout=30000", f"--screenshot={file}", url],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    main()
