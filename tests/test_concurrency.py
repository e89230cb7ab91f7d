"""Children fetched at once, under a budget that processes share; the same state as in turn."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from headwater.testing.output import last_state, messages
from headwater.testing.server import Answer, Server

BIN = Path(sys.executable).parent
PARENTS, LATENCY, BUDGET = 200, 0.1, 40
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "parent": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
    },
}


class Family:
    """Parents, each with one page of children; it counts its requests by the moment they come."""

    def __init__(self, latency=LATENCY):
        self.latency = latency
        self.moments = []
        self.under_way = self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self, asked):
        with self._lock:
            self.moments.append(time.monotonic())
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        time.sleep(self.latency)
        with self._lock:
            self.under_way -= 1
        if asked.path == "/parents":
            return Answer(200, [{"id": n} for n in range(PARENTS)])
        number = int(asked.path.split("/")[2])
        return Answer(200, [{"id": number * 10, "at": f"2026-01-01T00:00:{number % 60:02}Z"}])

    def most_in(self, seconds):
        """Return the most requests in any window of so many seconds."""
        most, first = 0, 0
        for last, moment in enumerate(self.moments):
            while moment - self.moments[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


def config(url, **more):
    return {
        "api_url": url,
        "streams": [
            {"name": "parents", "path": "/parents", "primary_keys": ["id"], "schema": SCHEMA},
            {"name": "children", "path": "/parents/{parent}/children", "schema": SCHEMA,
             "primary_keys": ["parent", "id"], "replication_key": "at",
             "parent": {"stream": "parents", "context": {"parent": "id"}}},
        ],
        **more,
    }  # fmt: skip


def sync(folder, name="tap", **more):
    file = folder / f"{name}.json"
    file.write_text(json.dumps(config(**more)))
    started = time.monotonic()
    done = subprocess.run([BIN / "tap-rest", "--config", file], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, time.monotonic() - started


def test_ten_at_once_take_a_seventh_of_the_time_and_leave_the_same_state(tmp_path):
    with Server(family := Family()) as server:
        in_turn, slow = sync(tmp_path, url=server.url, concurrency=1)
        assert family.most_at_once == 1
        at_once, fast = sync(tmp_path, url=server.url, concurrency=10)
        assert 5 < family.most_at_once <= 10
    # the requests alone: what a process takes to start is no part of it
    assert fast < slow / 5
    assert last_state(in_turn) == last_state(at_once)

    def found(output):
        return [m["record"] for m in messages(output) if m["type"] == "RECORD"]

    assert found(in_turn) == found(at_once)


def test_two_processes_keep_one_budget(tmp_path):
    budget = {"windows": [{"requests": BUDGET, "seconds": 1}]}
    with Server(family := Family(latency=0.02)) as server:
        shared = {"url": server.url, "budget": budget, "concurrency": 10,
                  "rate_limit_store": str(tmp_path / "bucket")}  # fmt: skip
        threads = [
            threading.Thread(target=sync, args=(tmp_path, name), kwargs=shared)
            for name in ("one", "two")
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
    assert len(family.moments) == 2 * (PARENTS + 1)
    assert family.most_in(1.0) <= BUDGET
    # and it was used: not one request a second
    assert seconds < 2 * len(family.moments) / BUDGET


def test_a_429_pauses_all_threads(tmp_path):
    limited = []

    def answer(asked):
        if asked.path == "/parents":
            return Answer(200, [{"id": n} for n in range(20)])
        if not limited:
            limited.append(time.monotonic())
            return Answer(429, {}, {"Retry-After": "2"})
        moments.append(time.monotonic())
        time.sleep(0.05)
        return Answer(200, [{"id": 1, "at": "2026-01-01T00:00:00Z"}])

    moments = []
    with Server(answer) as server:
        sync(tmp_path, url=server.url, concurrency=4)
    # those under way then may still come in
    late = [m for m in moments if 0.3 < m - limited[0] < 1.9]
    assert late == []
    assert len(moments) == 20


def test_an_error_cancels_the_others(tmp_path):
    def answer(asked):
        if asked.path == "/parents":
            return Answer(200, [{"id": n} for n in range(PARENTS)])
        if asked.path == "/parents/12/children":
            return Answer(400, {"message": "on purpose"})
        time.sleep(0.05)
        return Answer(200, [{"id": 1, "at": "2026-01-01T00:00:00Z"}])

    with Server(answer) as server:
        (tmp_path / "tap.json").write_text(json.dumps(config(server.url, concurrency=8)))
        done = subprocess.run(
            [BIN / "tap-rest", "--config", tmp_path / "tap.json"], capture_output=True, timeout=20
        )
        asked = len(server.asked)
    assert done.returncode == 1
    assert b"on purpose" in done.stderr
    assert asked < 60
    bookmarks = last_state(done.stdout)["bookmarks"]["children"]["partitions"]
    assert [b["context"]["parent"] for b in bookmarks] == list(range(12))


def test_sigterm_flushes_the_state_and_ends_non_zero(tmp_path):
    with Server(Family()) as server:
        (tmp_path / "tap.json").write_text(json.dumps(config(server.url, concurrency=4)))
        tap = subprocess.Popen(
            [BIN / "tap-rest", "--config", tmp_path / "tap.json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        time.sleep(2.5)
        tap.send_signal(signal.SIGTERM)
        output, said = tap.communicate(timeout=10)
    assert tap.returncode != 0, said
    found = messages(output)
    assert found[-1]["type"] == "STATE"
    children = [m for m in found if m["type"] == "RECORD" and m["stream"] == "children"]
    ledger = found[-1]["value"]["headwater"]["ledger"]["children"]
    assert ledger == {"records": len(children), "complete": False}
    assert children


@pytest.mark.parametrize("url", ["", "redis"])
def test_a_budget_in_a_fleet(url, tmp_path, monkeypatch):
    """The bucket in Redis keeps the same budget as the one in a file."""
    from headwater.rate_limit import FileBucket, RedisBucket, Window

    if url:
        import fakeredis
        import redis

        server = fakeredis.FakeServer()
        monkeypatch.setattr(redis.Redis, "from_url", lambda *_: fakeredis.FakeRedis(server=server))
        buckets = [RedisBucket("redis://x", "b") for _ in range(2)]
    else:
        buckets = [FileBucket(tmp_path / "b") for _ in range(2)]
    windows = [Window(3, 60), Window(100, 3600)]
    turns = [bucket.take(windows, 1) for bucket in (*buckets, buckets[0])]
    assert [turn.wait for turn in turns] == [0, 0, 0]
    time.sleep(0.05)
    buckets[1].settle(turns[0])  # counted from when its answer came
    wait = buckets[1].take(windows, 1).wait
    assert 59.9 < wait <= 60
    other = RedisBucket("redis://x", "c") if url else FileBucket(tmp_path / "c")
    other.close(5)
    assert 0 < other.take(windows, 1).wait <= 5
