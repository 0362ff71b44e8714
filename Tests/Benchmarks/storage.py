"""How many bytes a fleet's kernels take, and how many one more kernel adds."""

import hashlib
import subprocess
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import peers
from debian_kernels import Kernel
from kheaders_archive import read_tar
from server import Disk, Server, disk

# What another flavour of a revision that is stored already may add.
FLAVOUR_LIMIT = 100_000


@dataclass
class Step:
    release: str
    files: int
    tar: int
    xz: int
    added: int  # bytes by which the server's folder grew
    packs: int  # and its packs alone
    another_flavour: bool
    peers: dict[str, int]  # bytes by which each peer's repository grew


@dataclass
class Storage:
    steps: list[Step] = field(default_factory=list)
    disk: Disk = field(default_factory=lambda: Disk(0, 0))
    peers: dict[str, Disk] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def build_id(release: str) -> str:
    """Header packages have none: one made up, always the same."""
    return hashlib.sha1(release.encode()).hexdigest()


def measure(binaries: Path, kernels: list[Kernel], archives: dict[str, Path], folder: Path) -> Storage:
    """Pushes the kernels in their order, and reads every one of them back."""
    state, result = folder / "state", Storage()
    others = peers.installed(folder)
    revisions: set[str] = set()
    packs = 0
    for kernel in kernels:
        archive, tar = archives[kernel.release], folder / "archive.tar"
        with open(tar, "wb") as output:
            subprocess.run(["xz", "-dc", str(archive)], stdout=output, check=True)
        # Stopped after each kernel: a journal that is not yet written back is not counted twice, nor left out.
        with Server(binaries, state) as server:
            server.push(archive, build_id(kernel.release))
            packs_before, packs = packs, server.store_status()["packBytes"]
        before, result.disk = result.disk.bytes, disk(state, without="bundles")
        step = Step(
            release=kernel.release,
            files=_file_count(tar),
            tar=tar.stat().st_size,
            xz=archive.stat().st_size,
            added=result.disk.bytes - before,
            packs=packs - packs_before,
            another_flavour=kernel.revision in revisions,
            peers={peer.name: peer.add(tar, kernel.release) for peer in others},
        )
        tar.unlink()
        revisions.add(kernel.revision)
        result.steps.append(step)
        if step.another_flavour and step.added >= FLAVOUR_LIMIT:
            result.problems.append(f"{kernel.release}, another flavour, added {step.added} bytes")
    result.peers = {peer.label: peer.disk() for peer in others}
    if packs != disk(state / "packs").bytes:
        result.problems.append(f"the server says that its packs have {packs} bytes; they have not")
    result.problems += _read_back(binaries, state, kernels, archives)
    return result


def _file_count(tar: Path) -> int:
    with open(tar, "rb") as file:
        return sum(isinstance(content, bytes) for content in read_tar(file).values())


def _read_back(binaries: Path, state: Path, kernels: list[Kernel], archives: dict[str, Path]) -> list[str]:
    """Small is easy if it need not come out again."""
    problems = []
    with Server(binaries, state) as server:
        for kernel in kernels:
            with urllib.request.urlopen(f"{server.url}/buildid/{build_id(kernel.release)}/headers.tar") as answer:
                served = read_tar(answer)
            with open(archives[kernel.release], "rb") as file:
                if served != read_tar(file):
                    problems.append(f"{kernel.release} did not come out as it went in")
    return problems
