"""The peers, each installed from the package index into an environment of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).parent / ".work" / "peers"
PEERS = {
    "pipelinewise-target-postgres": ["pipelinewise-target-postgres==2.1.2", "setuptools<80"],
    "meltanolabs-target-postgres": ["meltanolabs-target-postgres==0.8.1"],
    "target-duckdb": ["target-duckdb==0.8.0"],
    "target-jsonl": ["target-jsonl==0.1.4", "setuptools<80"],
    "sling": ["sling-linux-amd64"],
    "dlt": ["dlt[postgres]>=1.4"],
    "singer-sdk": ["singer-sdk"],
}


def environment(name: str) -> Path:
    """Return the folder of a peer's executables, installed if it is not there."""
    folder = PLACE / name
    if not (folder / "ready").exists():
        uv = shutil.which("uv") or str(Path(__file__).parents[1] / ".tools/bin/uv")
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", folder / "bin/python", *PEERS[name]],
            check=True,
        )
        (folder / "ready").touch()
    return folder / "bin"
