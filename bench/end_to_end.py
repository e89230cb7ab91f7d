"""HTTP -> Postgres beside dlt's rest_api source, and what concurrency is worth."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from headwater.testing.postgres import Postgres
from headwater.testing.server import Answer, Server
from http_to_stdout import start_server, tap_config
from peers import environment

HERE = Path(sys.executable).parent
DLT = """
import sys, dlt
from dlt.sources.rest_api import rest_api_source
source = rest_api_source({
    "client": {"base_url": sys.argv[1], "paginator": "header_link"},
    "resources": [{
        "name": "items", "primary_key": "id", "write_disposition": "merge",
        "endpoint": {"path": "items", "params": {"per_page": 100}},
    }],
})
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(sys.argv[2]),
                        dataset_name="dlt", pipelines_dir=sys.argv[3])
pipeline.run(source)
"""
PARENTS, LATENCY = 200, 0.1


def dlt_postgres(pages, rounds, folder):
    """Return the median seconds of ours and of dlt's, HTTP to Postgres with merge."""
    server, url = start_server(pages)
    database = Postgres(durable=True)
    pg = database.config
    credentials = f"postgresql://{pg['user']}:none@{pg['host']}:{pg['port']}/{pg['database']}"
    target = folder / "end-to-end-target.json"
    target.write_text(
        json.dumps({**pg, "default_target_schema": "ours", "add_record_metadata": False})
    )
    ours = (
        f"{HERE}/tap-rest --config {tap_config(folder, url)} | "
        f"{HERE}/target-postgres --config {target} > {os.devnull}"
    )
    python = environment("dlt") / "python"
    dlt_command = [python, "-c", DLT, url, credentials, folder / "dlt"]
    times = {"ours": [], "dlt": []}
    try:
        for _ in range(rounds):
            for name, command in (("ours", ["bash", "-o", "pipefail", "-c", ours]),
                                  ("dlt", dlt_command)):  # fmt: skip
                started = time.perf_counter()
                done = subprocess.run(
                    list(map(str, command)), capture_output=True, text=True, check=False
                )
                times[name].append(time.perf_counter() - started)
                print(f"HTTP to Postgres, {name}: {times[name][-1]:.2f} s", flush=True)
                if done.returncode:
                    raise RuntimeError(f"{name} failed: {done.stderr[-800:]}")
    finally:
        server.terminate()
        database.close()
    return {name: statistics.median(values) for name, values in times.items()}


def _family(asked):
    time.sleep(LATENCY)
    if asked.path == "/parents":
        return Answer(200, [{"id": number} for number in range(PARENTS)])
    return Answer(200, [{"id": int(asked.path.split("/")[2])}])


def concurrency(folder):
    """Return the seconds of 200 children at 100 ms each, by concurrency."""
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}}
    streams = [
        {"name": "parents", "path": "/parents", "primary_keys": ["id"], "schema": schema},
        {"name": "children", "path": "/parents/{parent_id}/children", "schema": schema,
         "primary_keys": ["id"], "parent": {"stream": "parents", "context": {"parent_id": "id"}}},
    ]  # fmt: skip
    times = {}
    with Server(_family) as server:
        for many in (1, 10):
            file = folder / "concurrency.json"
            config = {"api_url": server.url, "concurrency": many, "streams": streams}
            file.write_text(json.dumps(config))
            started = time.perf_counter()
            subprocess.run(
                [HERE / "tap-rest", "--config", file], check=True, capture_output=True
            )  # fmt: skip
            times[many] = time.perf_counter() - started
            print(f"concurrency {many}: {times[many]:.2f} s", flush=True)
    return times
