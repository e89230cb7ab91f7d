"""Singer file -> target, beside the peers on the same rows, one after the other in each round."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from headwater.testing.postgres import Postgres
from peers import environment
from workload import write

WORK = Path(__file__).parent / ".work"
HERE = Path(sys.executable).parent
ROWS = """
import sys, json
import pyarrow as pa, pyarrow.parquet as pq
table = pa.ipc.open_file(sys.argv[1]).read_all()
pq.write_table(table, sys.argv[2])
"""


def run(command, stdin=None, env=None):
    """Run a command; return seconds and peak megabytes."""
    started = time.perf_counter()
    with Path(stdin or os.devnull).open("rb") as source, (WORK / "errors.log").open("wb") as errors:
        process = subprocess.Popen(
            list(map(str, command)), stdin=source, stdout=subprocess.DEVNULL, stderr=errors,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        text = (WORK / "errors.log").read_text(errors="replace")
        raise RuntimeError(f"{command[0]} failed: {text[-800:]}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def config(name, **settings):
    path = WORK / f"{name}.json"
    path.write_text(json.dumps(settings))
    return path


READY = """
import sys
import pyarrow as pa, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
with pa.OSFile(sys.argv[2], "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
    out.write_table(table)
"""


class Contest:
    """Ours and its peers on one workload."""

    def __init__(self, postgres, count, rounds):
        self.postgres = postgres
        self.count = count
        self.rounds = rounds
        self.messages = write(WORK / f"singer-{count}.jsonl", count)
        self.times = {}
        self.memory = {}
        self.missing = {}

    def measure(self, contestants, *, warms_up=False):
        """Run each contestant in turn, every round anew."""
        if warms_up:
            for start in contestants.values():
                start()
        for _ in range(self.rounds):
            for name, start in contestants.items():
                if name in self.missing:
                    continue
                try:
                    seconds, megabytes = start()
                except (RuntimeError, OSError, subprocess.CalledProcessError) as fault:
                    self.missing[name] = str(fault)[-300:]
                    print(f"{name}: {fault}", file=sys.stderr)
                    continue
                print(f"{self.count} {name}: {seconds:.2f} s, {megabytes:.0f} MB", flush=True)
                self.times.setdefault(name, []).append(seconds)
                self.memory[name] = max(megabytes, self.memory.get(name, 0))

    def median(self, name):
        found = self.times.get(name)
        return statistics.median(found) if found else None

    def query(self, statement):
        import psycopg

        with psycopg.connect(
            host=self.postgres["host"], port=self.postgres["port"], user=self.postgres["user"],
            dbname=self.postgres["database"], autocommit=True,
        ) as connection:  # fmt: skip
            connection.execute(statement)

    # --- Postgres ---------------------------------------------------------------------

    def ours_postgres(self):
        self.query("DROP SCHEMA IF EXISTS ours CASCADE")
        file = config(
            "ours-postgres", **self.postgres, default_target_schema="ours",
            add_record_metadata=False,
        )  # fmt: skip
        return run([HERE / "target-postgres", "--config", file], self.messages)

    def ours_postgres_again(self):
        file = WORK / "ours-postgres.json"
        return run([HERE / "target-postgres", "--config", file], self.messages)

    def pipelinewise(self):
        self.query("DROP SCHEMA IF EXISTS pipelinewise CASCADE")
        file = config(
            "pipelinewise", host=self.postgres["host"], port=self.postgres["port"],
            user=self.postgres["user"], password="none", dbname=self.postgres["database"],
            default_target_schema="pipelinewise",
        )  # fmt: skip
        place = environment("pipelinewise-target-postgres")
        return run([place / "target-postgres", "--config", file], self.messages)

    def meltanolabs(self):
        self.query("DROP SCHEMA IF EXISTS meltanolabs CASCADE")
        file = config(
            "meltanolabs", **self.postgres, default_target_schema="meltanolabs", password="none",
            add_record_metadata=False, activate_version=False, use_copy=True,
            validate_records=False, load_method="upsert",
        )  # fmt: skip
        place = environment("meltanolabs-target-postgres")
        return run([place / "target-postgres", "--config", file], self.messages)

    def sling(self):
        self.query("DROP SCHEMA IF EXISTS sling CASCADE")
        self.query("CREATE SCHEMA sling")
        rows = WORK / f"rows-{self.count}.jsonl"
        if not rows.exists():
            with rows.open("w") as out, self.messages.open() as lines:
                for line in lines:
                    message = json.loads(line)
                    if message["type"] == "RECORD":
                        out.write(json.dumps(message["record"]) + "\n")
        (binary,) = (environment("sling").parent).rglob("sling-linux-amd64")
        pg = self.postgres
        url = f"postgres://{pg['user']}@{pg['host']}:{pg['port']}/{pg['database']}?sslmode=disable"
        return run(
            [binary, "run", "--src-stream", f"file://{rows.absolute()}", "--src-options",
             '{"format": "jsonlines", "flatten": 0}', "--tgt-conn", "TARGET", "--tgt-object",
             "sling.items", "--mode", "full-refresh", "--primary-key", "id"],
            env={"TARGET": url, "SLING_DISABLE_TELEMETRY": "true", "HOME": str(WORK)},
        )  # fmt: skip

    # --- DuckDB, files ----------------------------------------------------------------

    def ours_duckdb(self):
        for old in WORK.glob("ours.duckdb*"):
            old.unlink()
        file = config("ours-duckdb", filepath=str(WORK / "ours.duckdb"), add_record_metadata=False)
        return run([HERE / "target-duckdb", "--config", file], self.messages)

    def peer_duckdb(self):
        for old in WORK.glob("peer.duckdb*"):
            old.unlink()
        file = config(
            "peer-duckdb", path=str(WORK / "peer.duckdb"), filepath=str(WORK / "peer.duckdb"),
            default_target_schema="main",
        )  # fmt: skip
        place = environment("target-duckdb")
        return run([place / "target-duckdb", "--config", file], self.messages)

    def _files(self, kind, executable):
        folder = WORK / f"out-{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        file = config(kind, destination_path=str(folder), add_record_metadata=False)
        return run([executable, "--config", file], self.messages)

    def ours_jsonl(self):
        return self._files("ours-jsonl", HERE / "target-jsonl")

    def peer_jsonl(self):
        folder = WORK / "out-peer-jsonl"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        file = config("peer-jsonl", destination_path=str(folder))
        place = environment("target-jsonl")
        return run([place / "target-jsonl", "--config", file], self.messages)

    def ours_csv(self):
        return self._files("ours-csv", HERE / "target-csv")

    def ours_parquet(self):
        return self._files("ours-parquet", HERE / "target-parquet")

    def pyarrow(self):
        ready = WORK / f"ready-{self.count}.arrow"
        if not ready.exists():
            # not in this process: its memory would count for every process that it starts
            command = [sys.executable, "-c", READY, WORK / "out-ours-parquet", ready]
            subprocess.run(list(map(str, command)), check=True)
        return run([sys.executable, "-c", ROWS, ready, WORK / "ready.parquet"])


def contest(count, rounds, *, slow_peers):
    """Return rows of the table: what, peer, our seconds, theirs, bar."""
    server = Postgres(durable=True)
    try:
        race = Contest(server.config, count, rounds)
        race.measure(
            {
                "target-postgres": race.ours_postgres,
                "target-postgres, all rows again": race.ours_postgres_again,
                "sling": race.sling,
                "target-duckdb": race.ours_duckdb,
                "target-jsonl": race.ours_jsonl,
                "target-csv": race.ours_csv,
                "target-parquet": race.ours_parquet,
                "pyarrow, a ready table": race.pyarrow,
            },
            warms_up=True,
        )
        if slow_peers:
            race.rounds = 1
            race.measure(
                {
                    "pipelinewise-target-postgres 2.1.2": race.pipelinewise,
                    "meltanolabs-target-postgres 0.8.1": race.meltanolabs,
                    "target-duckdb 0.8.0": race.peer_duckdb,
                    "target-jsonl 0.1.4": race.peer_jsonl,
                }
            )
    finally:
        server.close()
    return race


PAIRS = (
    ("target-postgres", "pipelinewise-target-postgres 2.1.2", 1 / 5),
    ("target-postgres", "meltanolabs-target-postgres 0.8.1", 1 / 6),
    ("target-postgres", "sling", 0.6),
    ("target-duckdb", "target-duckdb 0.8.0", 1 / 5),
    ("target-jsonl", "target-jsonl 0.1.4", 1 / 10),
    ("target-parquet", "pyarrow, a ready table", 3),
)
