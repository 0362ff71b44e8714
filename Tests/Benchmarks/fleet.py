"""A hundred thousand agents that check in at once: see Tests/FleetSimulation."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 64


@dataclass
class Fleet:
    hosts: int
    kernels: int
    dissenters: int
    connections: int
    uploads: dict[str, int]  # by artefact
    wrong: list[str]  # what hosts were told that is not so
    waves: dict[str, dict]  # figures by what the wave is, see FleetFigures.Wave


def simulate(binaries: Path, hosts: int) -> Fleet:
    command = [str(binaries / "FleetSimulation"), "--server", str(binaries / "kheaderd")]
    command += ["--hosts", str(hosts), "--connections", str(CONNECTIONS)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not result.stdout:
        sys.exit(f"bench: {' '.join(command)} ended with {result.returncode}")
    figures = json.loads(result.stdout)
    return Fleet(
        hosts=figures["hosts"],
        kernels=figures["kernels"],
        dissenters=figures["dissenters"],
        connections=CONNECTIONS,
        uploads=figures["uploads"],
        wrong=figures["wrong"],
        waves={
            "all boot": figures["boot"],
            "with other bytes": figures["dissent"],
            "all again": figures["again"],
        },
    )
