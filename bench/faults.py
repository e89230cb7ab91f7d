"""Which faults ours and its peers survive, on the same server; writes bench/FAULTS.md.

The peers are written as their documentation writes such a source: plain singer-sdk with its
OAuth authenticator and paginators, and dlt's rest_api. dlt is no tap: what it has loaded into a
DuckDB file is printed as messages after it ends.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from headwater.testing.conformance import FAULTS
from headwater.testing.conformance.trial import Trial
from headwater.testing.items import SUBJECT
from peers import environment

HERE = Path(__file__).parent
WORK = HERE / ".work"
SDK = """#!{python}
import sys
from singer_sdk import RESTStream, Tap, typing as th
from singer_sdk.authenticators import OAuthAuthenticator
from singer_sdk.pagination import (
    BaseOffsetPaginator, BasePageNumberPaginator, JSONPathPaginator,
)

class Auth(OAuthAuthenticator):
    @property
    def oauth_request_body(self):
        return {{"grant_type": "client_credentials", "client_id": "items-client",
                "client_secret": "items-client-secret"}}

class Pages(BasePageNumberPaginator):
    def has_more(self, response):
        return bool(response.json()["data"])

class Offsets(BaseOffsetPaginator):
    def has_more(self, response):
        return bool(response.json()["data"])

class Items(RESTStream):
    records_jsonpath = "$.data[*]"
    primary_keys = ("id",)
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType), th.Property("updated_at", th.DateTimeType),
        th.Property("text", th.StringType)).to_dict()
    @property
    def url_base(self):
        return self.config["api_url"]
    @property
    def authenticator(self):
        if not hasattr(self._tap, "shared_auth"):
            self._tap.shared_auth = Auth(
                stream=self, auth_endpoint=self.config["api_url"] + "/token")
        return self._tap.shared_auth

class Orders(Items):
    name, path = "orders", "/orders"
    def get_new_paginator(self):
        return Pages(1)
    def get_url_params(self, context, token):
        return {{"page": token or 1}}

class Events(Items):
    name, path = "events", "/events"
    def get_new_paginator(self):
        return JSONPathPaginator("$.next")
    def get_url_params(self, context, token):
        return {{"after": token}} if token else {{}}

class Tickets(Items):
    name, path = "tickets", "/tickets"
    def get_new_paginator(self):
        return Offsets(0, 50)
    def get_url_params(self, context, token):
        return {{"offset": token or 0, "limit": 50}}

class T(Tap):
    name = "tap-items"
    config_jsonschema = th.PropertiesList(th.Property("api_url", th.StringType)).to_dict()
    def discover_streams(self):
        return [Orders(self), Events(self), Tickets(self)]

T.cli()
"""
DLT = """#!{python}
import json, os, sys, tempfile
import dlt
from dlt.sources.rest_api import rest_api_source
url = json.load(open(sys.argv[sys.argv.index("--config") + 1]))["api_url"]
lists = {{
    "orders": {{"type": "page_number", "base_page": 1, "total_path": None,
               "stop_after_empty_page": True}},
    "events": {{"type": "cursor", "cursor_path": "next", "cursor_param": "after"}},
    "tickets": {{"type": "offset", "limit": 50, "total_path": None,
                "stop_after_empty_page": True}},
}}
source = rest_api_source({{
    "client": {{"base_url": url, "auth": {{
        "type": "oauth2_client_credentials", "access_token_url": url + "/token",
        "client_id": "items-client", "client_secret": "items-client-secret"}}}},
    "resources": [
        {{"name": name, "primary_key": "id", "write_disposition": "merge",
         "endpoint": {{"path": name, "data_selector": "data", "paginator": paginator}}}}
        for name, paginator in lists.items()
    ],
}})
with tempfile.TemporaryDirectory() as folder:
    pipeline = dlt.pipeline("items", destination=dlt.destinations.duckdb(folder + "/x.duckdb"),
                            dataset_name="d", pipelines_dir=folder + "/p")
    pipeline.run(source)
    schema = {{"type": "object", "properties": {{"id": {{"type": "integer"}}}}}}
    with pipeline.sql_client() as client:
        for name in lists:
            print(json.dumps({{"type": "SCHEMA", "stream": name, "schema": schema,
                              "key_properties": ["id"]}}))
            try:
                rows = client.execute_sql("SELECT id FROM " + name)
            except Exception:
                rows = []
            for (number,) in rows:
                print(json.dumps({{"type": "RECORD", "stream": name, "record": {{"id": number}}}}))
sys.stdout.flush()
"""


def script(name, text, python):
    place = WORK / name
    place.write_text(text.format(python=python))
    place.chmod(0o755)
    return str(place)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="Only faults whose name holds this text.")
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    contestants = {
        "tap-rest": SUBJECT.tap,
        "plain singer-sdk": script("tap-items-sdk", SDK, sys.executable),
        "dlt rest_api": script("tap-items-dlt", DLT, environment("dlt") / "python"),
    }
    trials = {
        name: Trial(replace(SUBJECT, tap=tap), knows_errors=name == "tap-rest")
        for name, tap in contestants.items()
    }
    lines = [
        "# Faults",
        "",
        "Each on the same server: three lists of 230 records behind OAuth.",
        "*Stood*: every record once, or an error and nothing lost in the run after it.",
        "",
        "| fault | " + " | ".join(contestants) + " |",
        "|:--|" + ":--|" * len(contestants),
    ]
    for fault in FAULTS:
        if arguments.only not in fault.name:
            continue
        cells = []
        for name, trial in trials.items():
            try:
                verdict = trial.face(fault)
            except RuntimeError as broken:
                print(broken, file=sys.stderr)
                cells.append("does not run")
                continue
            mark = "stood" if verdict.passed else "**failed**"
            cells.append(f"{mark}: {verdict.outcome}")
            print(f"{fault.name} | {name} | {cells[-1]}", flush=True)
        lines.append(f"| {fault.name} | " + " | ".join(cells) + " |")
    (HERE / "FAULTS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
