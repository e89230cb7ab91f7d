"""HTTP -> stdout, beside a bare requests + orjson loop and the same stream on plain singer-sdk."""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parent
PAGE = 100
BARE = """
import sys, requests, orjson
session = requests.Session()
url = sys.argv[1] + "/items?per_page=100"
out = sys.stdout.buffer
while url:
    answer = session.get(url)
    for record in orjson.loads(answer.content):
        out.write(b'{"type":"RECORD","stream":"items","record":' + orjson.dumps(record) + b"}\\n")
    url = answer.links.get("next", {}).get("url")
"""
SDK = """
import sys, json
from singer_sdk import Tap, RESTStream
from singer_sdk.pagination import BaseHATEOASPaginator
class Pages(BaseHATEOASPaginator):
    def get_next_url(self, response):
        return response.links.get("next", {}).get("url")
class Items(RESTStream):
    name = "items"; path = "/items"; primary_keys = ["id"]; replication_key = None
    url_base = sys.argv[1]; schema = json.loads(open(sys.argv[2]).read())
    def get_new_paginator(self): return Pages()
    def get_url_params(self, context, token):
        from urllib.parse import parse_qsl
        return dict(parse_qsl(token.query)) if token else {"per_page": 100}
class T(Tap):
    name = "tap-bench"; config_jsonschema = {"type": "object", "properties": {}}
    def discover_streams(self): return [Items(self)]
T(config={}).sync_all()
"""
MINIMAL = """
from singer_sdk import Tap
class T(Tap):
    name = "tap-minimal"; config_jsonschema = {"type": "object", "properties": {}}
    def discover_streams(self): return []
T.cli(["--about"])
"""
NESTED = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}
SCHEMA = {
    "type": "object",
    "properties": {
        **{f"int{n}": {"type": "integer"} for n in range(2)},
        "id": {"type": "integer"},
        **{f"text{n}": {"type": "string"} for n in range(2)},
        **{f"flag{n}": {"type": "boolean"} for n in range(1)},
        **{f"float{n}": {"type": "number"} for n in range(2)},
        **{f"at{n}": {"type": "string", "format": "date-time"} for n in range(3)},
        "nested0": NESTED,
        "nested1": NESTED,
        "array": {"type": "array", "items": {"type": "integer"}},
    },
}


def record(n):
    at = f"2026-01-01T{n % 24:02}:{n % 60:02}:00Z"
    return {
        "id": n, "int0": n * 7, "int1": n % 13, "text0": f"text {n} " * 18, "text1": f"name {n}",
        "flag0": n % 2 == 0, "float0": n / 3, "float1": n / 7, "at0": at, "at1": at, "at2": at,
        "nested0": {"x": n, "y": "z" * 40}, "nested1": {"x": n, "y": "w" * 40},
        "array": [1, 2, 3, n],
    }  # fmt: skip


def serve(pages, pipe):
    bodies = [
        json.dumps([record(p * PAGE + n) for n in range(PAGE)]).encode()
        for p in range(min(pages, 50))
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self):
            page = int(
                dict(p.split("=") for p in self.path.split("?")[1].split("&")).get("page", 1)
            )
            # each page differs: a repeated one is an error for who looks
            body = bodies[page % len(bodies)].replace(b'"text1": "name ', b'"text1": "%d ' % page)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            if page < pages:
                host = self.headers["Host"]
                link = f'<http://{host}/items?per_page=100&page={page + 1}>; rel="next"'
                self.send_header("Link", link)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_address[1])
    server.serve_forever()


def timed(command):
    started = time.perf_counter()
    with Path(os.devnull).open("wb") as sink:
        subprocess.run(command, stdout=sink, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def start_server(pages):
    """Serve so many pages from a process of its own; return it and its URL."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(pages, theirs), daemon=True)
    server.start()
    return server, f"http://127.0.0.1:{ours.recv()}"


def tap_config(folder, url):
    """Write tap-rest's config for the server; return its path."""
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    stream = {"name": "items", "path": "/items", "primary_keys": ["id"], "schema": SCHEMA,
              "pagination": {"type": "link", "size": ["per_page", 100]}}  # fmt: skip
    (folder / "tap.json").write_text(json.dumps({"api_url": url, "streams": [stream]}))
    return folder / "tap.json"


def measure(pages, rounds, folder):
    """Return the seconds of each command: the median of so many rounds, in turns."""
    server, url = start_server(pages)
    here = Path(sys.executable).parent
    commands = {
        "bare requests + orjson": [sys.executable, "-c", BARE, url],
        "tap-rest": [str(here / "tap-rest"), "--config", str(tap_config(folder, url))],
        "plain singer-sdk": [sys.executable, "-c", SDK, url, str(folder / "schema.json")],
        "tap-github --about": [str(here / "tap-github"), "--about"],
        "minimal singer-sdk tap --about": [sys.executable, "-c", MINIMAL],
    }
    times = {name: [] for name in commands}
    for command in commands.values():
        timed(command)
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(timed(command))
            print(f"{name}: {times[name][-1]:.2f} s", flush=True)
    server.terminate()
    return {name: statistics.median(values) for name, values in times.items()}
