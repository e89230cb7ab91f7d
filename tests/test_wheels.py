"""A tap's wheel and a target's wheel, each in an empty environment, piped."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).parent.parent
UV = shutil.which(
    "uv", path=f"{ROOT / '.tools/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
)
UV_PIP = [UV, "pip", "install", "-q"]


@pytest.mark.skipif(UV is None, reason="uv builds the wheels; ./run tests installs it")
@pytest.mark.timeout(600)
def test_two_wheels_in_two_empty_environments(api, tmp_path):
    wheels = tmp_path / "wheels"
    for folder in ("shared", "taps/tap-github", "targets/target-duckdb"):
        subprocess.run([UV, "build", "-q", "--wheel", "-o", wheels, ROOT / folder], check=True)
    for name in ("tap-github", "target-duckdb"):
        folder = tmp_path / name
        subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder], check=True)
        wheel = next(wheels.glob(f"headwater_{name.replace('-', '_')}*.whl"))
        subprocess.run(
            [*UV_PIP, "--python", folder / "bin/python", "--find-links", wheels, wheel], check=True
        )
    tap_config = {"auth_token": "demo-token", "repositories": ["acme/rocket"], "api_url": api.url}
    (tmp_path / "tap.json").write_text(json.dumps(tap_config))
    (tmp_path / "target.json").write_text(json.dumps({"filepath": str(tmp_path / "out.duckdb")}))
    done = subprocess.run(
        "tap-github/bin/tap-github --config tap.json"
        " | target-duckdb/bin/target-duckdb --config target.json",
        shell=True, cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["bookmarks"]["issues"]
    with duckdb.connect(str(tmp_path / "out.duckdb")) as connection:
        issues = api.world.repositories["acme/rocket"].lists["issues"]
        assert connection.execute("SELECT count(*) FROM issues").fetchone()[0] == len(issues)
