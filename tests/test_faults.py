"""Every tap that names itself, through the whole fault table, into a real Postgres."""

import json
import subprocess
import sys
import uuid
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from headwater.testing.conformance import FAULTS, subjects
from headwater.testing.conformance.proxy import FaultProxy
from headwater.testing.conformance.singer import singer_checks
from headwater.testing.conformance.trial import Model, Trial, difference
from headwater.testing.items import ItemsAPI
from headwater.testing.items import config as items_config
from target_postgres.target import TargetPostgres

BIN = Path(sys.executable).parent
SUBJECTS = subjects()
TRIALS = {}


class PostgresDestination:
    """A schema of a real Postgres, loaded by target-postgres."""

    def __init__(self, postgres):
        self.config = {**postgres, "default_target_schema": f"f{uuid.uuid4().hex[:12]}",
                       "add_record_metadata": False}  # fmt: skip
        self.keys = {}

    def load(self, messages):
        states = []
        target = TargetPostgres(config=self.config, output=states.append)
        target.process(BytesIO(messages))
        for line in messages.splitlines():
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                self.keys[message["stream"]] = message["key_properties"]
        return json.loads(states[-1]) if states else None

    def rows(self):
        given = {"host": "host", "port": "port", "user": "user", "database": "dbname"}
        arguments = {given[k]: v for k, v in self.config.items() if k in given}
        found = {}
        with psycopg.connect(**arguments) as connection:
            for stream, keys in self.keys.items():
                columns = ", ".join(f'"{key}"' for key in keys)
                statement = (f"SELECT {columns}, count(*) FROM "
                             f'{self.config["default_target_schema"]}."{stream}" '
                             f"GROUP BY {columns}")  # fmt: skip
                found[stream] = {
                    json.dumps(row[:-1], default=str): row[-1]
                    for row in connection.execute(statement)
                }
        return found


def test_both_taps_are_under_test():
    assert set(SUBJECTS) >= {"tap-github", "tap-rest"}


@pytest.mark.parametrize("tap", SUBJECTS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(tap, fault, postgres):
    if tap not in TRIALS:
        TRIALS[tap] = Trial(SUBJECTS[tap], destination=lambda: PostgresDestination(postgres))
    verdict = TRIALS[tap].face(fault)
    assert verdict.passed, verdict.outcome


@pytest.mark.parametrize("tap", SUBJECTS)
def test_singer_rules(tap):
    trial = Trial(SUBJECTS[tap])
    with trial.vendor() as vendor:
        proxy = FaultProxy(vendor.url)
        verdicts = list(singer_checks(trial, proxy.url))
        proxy.close()
    assert len(verdicts) > 8
    assert [v for v in verdicts if not v.passed] == []


def test_the_table_finds_a_tap_that_loses_records():
    """A check that cannot fail proves nothing: these lists are made to look complete."""
    wanted = {"s": {"1": 1, "2": 1}}
    assert difference(wanted, {"s": {"1": 1, "2": 1, "new": 1}}) == ""
    assert "missing" in difference(wanted, {"s": {"1": 1}})
    assert "more than once" in difference(wanted, {"s": {"1": 1, "2": 2}})
    model = Model()
    model.load(
        b'{"type": "SCHEMA", "stream": "s", "schema": {}, "key_properties": []}\n'
        b'{"type": "RECORD", "stream": "s", "record": {"a": 1}}\n'
        b'{"type": "RECORD", "stream": "s", "record": {"a": 1}}\n{"type": "REC'
    )
    assert list(model.rows()["s"].values()) == [2]


def test_check_as_a_command_on_somebody_elses_tap(tmp_path):
    """A tap that ends at the first page without saying so: named, and exit code 1."""
    script = tmp_path / "tap-other"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, sys, urllib.request\n"
        "if '--discover' in sys.argv:\n"
        "    print(json.dumps({'streams': [{'tap_stream_id': 'tickets', 'schema': {}}]}))\n"
        "    sys.exit()\n"
        "config = json.load(open(sys.argv[sys.argv.index('--config') + 1]))\n"
        "if 'api' not in config: sys.exit('no api')\n"
        "headers = {'Authorization': 'Bearer ' + config['token']}\n"
        "schema = {'type': 'object', 'properties': {'id': {'type': 'integer'}}}\n"
        "print(json.dumps({'type': 'SCHEMA', 'stream': 'tickets', 'schema': schema,"
        " 'key_properties': ['id']}))\n"
        "offset = 0\n"
        "while True:\n"
        "    url = config['api'] + '/tickets?limit=100&offset=%d' % offset\n"
        "    try:\n"
        "        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers))\n"
        "    except OSError:\n"
        "        break\n"
        "    data = json.load(answer)['data']\n"
        "    for row in data:\n"
        "        print(json.dumps({'type': 'RECORD', 'stream': 'tickets', 'record': row}))\n"
        "    if not data: break\n"
        "    offset += 100\n"
        "print(json.dumps({'type': 'STATE', 'value': {'bookmarks': {}}}))\n"
    )
    script.chmod(0o755)
    api = ItemsAPI()
    api._tokens["fixed-token"] = float("inf")
    (tmp_path / "config.json").write_text(json.dumps({"api": api.url, "token": "fixed-token"}))
    command = [BIN / "headwater", "check", script, "--config", tmp_path / "config.json",
               "--url-setting", "api", "--report", tmp_path / "report.json"]  # fmt: skip
    done = subprocess.run([*command, "--only", "50"], capture_output=True, text=True)
    api.close()
    assert done.returncode == 1, done.stderr
    report = {v["fault"]: v for v in json.loads((tmp_path / "report.json").read_text())}
    assert "records of 'tickets' are missing" in report["500"]["outcome"]
    assert "exit 0" in report["500"]["outcome"]


def test_check_needs_to_know_where_the_api_is():
    done = subprocess.run(
        [BIN / "headwater", "check", "tap-nobody-knows"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--url-setting" in done.stderr


def test_a_token_that_expires_mid_run_is_renewed(tmp_path):
    """Proactively: the server never has to refuse one."""
    api = ItemsAPI(lifetime=2.0, latency=0.15)
    (tmp_path / "config.json").write_text(json.dumps(items_config(api.url)))
    done = subprocess.run(
        [BIN / "tap-rest", "--config", tmp_path / "config.json"], capture_output=True
    )
    api.close()
    assert done.returncode == 0, done.stderr
    assert api.tokens_given > 1
    assert b" 401" not in done.stderr
