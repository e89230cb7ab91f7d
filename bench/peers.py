"""The peers, each installed from the package index into an environment of its own."""

from pathlib import Path

from headwater.testing.peers import peer

PLACE = Path(__file__).parents[1] / ".tools" / "peers"
PEERS = {
    "pipelinewise-target-postgres": ["pipelinewise-target-postgres==2.1.2", "setuptools<80"],
    "meltanolabs-target-postgres": ["meltanolabs-target-postgres==0.8.1"],
    "target-duckdb": ["target-duckdb==0.8.0"],
    "target-jsonl": ["target-jsonl==0.1.4", "setuptools<80"],
    "sling": ["sling-linux-amd64"],
    "dlt": ["dlt[duckdb,postgres]>=1.4"],
}


def environment(name: str) -> Path:
    """Return the folder of a peer's executables, installed if it is not there."""
    return peer(PLACE, *PEERS[name])
