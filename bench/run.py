"""The benchmark: each part beside its peers in the same minutes; writes bench/RESULTS.md.

`--only http targets end_to_end concurrency` measures parts; what was measured last is kept
in `bench/.work/results.json`, so that the table stays whole.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from end_to_end import concurrency, dlt_postgres
from http_to_stdout import measure

from targets import PAIRS, contest

HERE = Path(__file__).parent
WORK = HERE / ".work"
SMALL, LARGE = 100_000, 1_000_000
MEMORY_BAR = 300


def http(arguments):
    times = measure(arguments.pages, arguments.rounds, WORK)
    pages = f"{arguments.pages} pages of 100 over HTTP to stdout"
    rows = []
    for what, ours, peer, bar in (
        (pages, "tap-rest", "bare requests + orjson", 1.4),
        (pages, "tap-rest", "plain singer-sdk", 1 / 3.5),
        ("`tap-github --about`", "tap-github --about", "minimal singer-sdk tap --about", 0.6),
    ):
        rows.append([what, times[ours], peer, times[peer], bar])
    return {"rows": rows}


def targets(arguments):
    rows, memory = [], {}
    for count, rounds, slow in ((SMALL, arguments.rounds, True), (LARGE, 1, arguments.slow)):
        race = contest(count, rounds, slow_peers=slow)
        for ours, peer, bar in PAIRS:
            if race.median(ours) and race.median(peer):
                what = f"{count:,} records -> {ours}"
                rows.append([what, race.median(ours), peer, race.median(peer), bar])
            elif peer in race.missing:
                rows.append([f"{count:,} records -> {ours}", race.median(ours), peer, None, bar])
        memory[f"{count:,}"] = {
            name: round(megabytes)
            for name, megabytes in race.memory.items()
            if name in {pair[0] for pair in PAIRS} | {"target-csv"}
        }
    return {"rows": rows, "memory": memory}


def end_to_end(arguments):
    times = dlt_postgres(arguments.pages, arguments.rounds, WORK)
    what = f"{arguments.pages} pages of 100, HTTP -> Postgres, merge"
    return {"rows": [[what, times["ours"], "dlt rest_api", times["dlt"], 1 / 6]]}


def concurrent(arguments):  # noqa: ARG001  a part's shape
    times = concurrency(WORK)
    what = "200 children, 100 ms each, `concurrency: 10`"
    return {"rows": [[what, times[10], "`concurrency: 1`", times[1], 1 / 7]]}


PARTS = {"http": http, "targets": targets, "end_to_end": end_to_end, "concurrency": concurrent}


def as_markdown(results):
    machine = f"{os.cpu_count()} cores, Python {sys.version.split()[0]}"
    lines = [
        "# Results",
        "",
        f"{machine}, Postgres {postgres_version()}.",
        "Whole processes, wall-clock seconds; ours and the peer in turns, medians.",
        "",
        "| work | ours, s | peer | peer, s | ours / peer | must be |",
        "|:--|--:|:--|--:|--:|:--|",
    ]
    for name in PARTS:
        for what, ours, peer, theirs, bar in results.get(name, {}).get("rows", ()):
            if theirs is None:
                lines.append(f"| {what} | {ours:.2f} | {peer} | failed | | at most {bar:.2f} |")
                continue
            lines.append(
                f"| {what} | {ours:.2f} | {peer} | {theirs:.2f} | {ours / theirs:.2f} "
                f"| at most {bar:.2f} |"
            )
    memory = results.get("targets", {}).get("memory", {})
    if memory:
        lines += ["", f"Peak memory in MB (must be under {MEMORY_BAR} and flat):", ""]
        lines += ["| target | " + " | ".join(memory) + " |", "|:--|" + "--:|" * len(memory)]
        for name in next(iter(memory.values())):
            lines.append(f"| {name} | " + " | ".join(str(m.get(name)) for m in memory.values())
                         + " |")  # fmt: skip
    return "\n".join(lines) + "\n"


def postgres_version():
    import psycopg
    from headwater.testing.postgres import Postgres

    server = Postgres()
    try:
        pg = server.config
        with psycopg.connect(
            host=pg["host"], port=pg["port"], user=pg["user"], dbname=pg["database"]
        ) as connection:
            return str(connection.info.server_version // 10000)
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow", action="store_true", help="Slow peers with 1,000,000 too.")
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    # compiled modules are kept, as they are wherever a plugin is installed
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    kept = WORK / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in arguments.only:
        results[name] = PARTS[name](arguments)
        kept.write_text(json.dumps(results, indent=2))
        text = as_markdown(results)
        (HERE / "RESULTS.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
