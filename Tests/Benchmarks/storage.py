"""How many bytes a fleet's kernels take, and how many one more kernel adds."""

import hashlib
import statistics
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import peers
from debian_kernels import Kernel
from kheaders_archive import Tree, read_tar
from server import QUIET, Disk, Server, disk

# What another flavour of a revision that is stored already may add at most, whichever it is: else the run fails.
FLAVOUR_LIMIT = 100_000
# As one archive of all contents could be, with a memory that holds them all.
SOLID = ["xz", "-9e", "--lzma2=preset=9e,dict=128MiB", "--stdout"]


@dataclass
class Step:
    release: str
    files: int
    tar: int
    xz: int
    added: int  # bytes by which the server's folder grew
    packs: int  # and its packs alone
    kind: str  # what the server had: "first", or nothing of its "series"; else a "revision", or another "flavour"
    peers: dict[str, int]  # bytes by which each peer's repository grew


@dataclass
class Goal:
    """What is to be reached, and what is."""

    what: str
    value: float
    limit: float
    is_least: bool = False  # the limit is what the value has to be at least


@dataclass
class Storage:
    steps: list[Step] = field(default_factory=list)
    disk: Disk = field(default_factory=lambda: Disk(0, 0))
    repacked: Disk | None = None  # after a repack; none if the server has no such thing
    peers: dict[str, Disk] = field(default_factory=dict)
    contents: int = 0  # bytes of all files, each content once
    solid: int = 0  # and of one archive of them, in the order of their paths
    problems: list[str] = field(default_factory=list)

    @property
    def tar(self) -> int:
        return sum(step.tar for step in self.steps)

    @property
    def goals(self) -> list[Goal]:
        goals = [Goal("it / solid limit, after ingest", self.disk.bytes / self.solid, 2.5)]
        if self.repacked:
            goals.append(Goal("it / solid limit, after the repack", self.repacked.bytes / self.solid, 1.5))
        last, when = (self.repacked, "after the repack") if self.repacked else (self.disk, "after ingest")
        goals.append(Goal(f"raw / it, {when}", self.tar / last.bytes, 150, is_least=True))
        for kind, what, limit in [("flavour", "another flavour", 8_000), ("revision", "the next revision", 20_000)]:
            added = [step.added for step in self.steps if step.kind == kind]
            if added:
                goals.append(Goal(f"bytes that {what} adds, median of {len(added)}", statistics.median(added), limit))
        return goals


def build_id(release: str) -> str:
    """Header packages have none: one made up, always the same."""
    return hashlib.sha1(release.encode()).hexdigest()


def measure(
    binaries: Path, kernels: list[Kernel], archives: dict[str, Path], folder: Path, cache: Path, is_quick: bool
) -> Storage:
    """Pushes the kernels in their order, and reads every one of them back."""
    state, result = folder / "state", Storage()
    others = peers.installed(folder, is_quick)
    solid = _Solid(folder / "contents")
    before: list[Kernel] = []
    packs = 0
    for kernel in kernels:
        archive, tar, unpacked = archives[kernel.release], folder / "archive.tar", folder / "tree"
        with open(tar, "wb") as output:
            subprocess.run(["xz", "-dc", str(archive)], stdout=output, check=True)
        unpacked.mkdir()
        subprocess.run(["tar", "-xf", str(tar), "-C", str(unpacked)], check=True)
        # Stopped after each kernel: a journal that is not yet written back is not counted twice, nor left out.
        with Server(binaries, state, QUIET) as server:
            server.push(archive, build_id(kernel.release))
            packs_before, packs = packs, server.store_status()["packBytes"]
        bytes_before, result.disk = result.disk.bytes, disk(state, without="bundles")
        with open(tar, "rb") as file:
            tree = read_tar(file)
        solid.add(tree)
        step = Step(
            release=kernel.release,
            files=sum(isinstance(content, bytes) for content in tree.values()),
            tar=tar.stat().st_size,
            xz=archive.stat().st_size,
            added=result.disk.bytes - bytes_before,
            packs=packs - packs_before,
            kind=_kind(kernel, before),
            peers=_add(others, tar, unpacked, kernel.release),
        )
        tar.unlink()
        subprocess.run(["rm", "-r", str(unpacked)], check=True)
        before.append(kernel)
        result.steps.append(step)
        if step.kind == "flavour" and step.added >= FLAVOUR_LIMIT:
            result.problems.append(f"{kernel.release}, another flavour, added {step.added} bytes")
    result.peers = {peer.label: peer.disk() for peer in others}
    result.contents, result.solid = solid.bytes, solid.compressed(cache / "solid")
    if packs != disk(state / "packs").bytes:
        result.problems.append(f"the server says that its packs have {packs} bytes; they have not")
    result.problems += _read_back(binaries, state, kernels, archives, "after ingest")
    with Server(binaries, state, QUIET) as server:
        is_repacked = server.run_task("repack") is not None
    if is_repacked:
        result.repacked = disk(state, without="bundles")
        result.problems += _read_back(binaries, state, kernels, archives, "after the repack")
    return result


def _add(others: list[peers.Peer], tar: Path, unpacked: Path, release: str) -> dict[str, int]:
    """Side by side: nothing is timed."""
    with ThreadPoolExecutor() as pool:
        return dict(zip([peer.name for peer in others], pool.map(lambda peer: peer.add(tar, unpacked, release), others)))


def _kind(kernel: Kernel, before: list[Kernel]) -> str:
    if any(other.revision == kernel.revision for other in before):
        return "flavour"
    return "revision" if any(other.series == kernel.series for other in before) else "series" if before else "first"


class _Solid:
    """All contents, each once: what a store can hardly do better than as one archive."""

    def __init__(self, file: Path):
        self._file = file
        self._contents: dict[bytes, tuple[str, bytes]] = {}

    def add(self, tree: Tree) -> None:
        for path, content in tree.items():
            if isinstance(content, bytes):
                self._contents.setdefault(hashlib.sha256(content).digest(), (path, content))

    @property
    def bytes(self) -> int:
        return sum(len(content) for _, content in self._contents.values())

    def compressed(self, cache: Path) -> int:
        """Bytes of them all in the order of their paths, compressed: takes a minute, so the number is kept."""
        ordered = sorted((path, digest) for digest, (path, _) in self._contents.items())
        name = hashlib.sha256(b"".join(digest for _, digest in ordered))
        name.update(" ".join(SOLID).encode())
        kept = cache / name.hexdigest()
        if not kept.exists():
            with open(self._file, "wb") as file:
                file.writelines(self._contents[digest][1] for _, digest in ordered)
            with open(self._file, "rb") as file, subprocess.Popen(SOLID, stdin=file, stdout=subprocess.PIPE) as xz:
                size = sum(len(piece) for piece in iter(lambda: xz.stdout.read(1 << 20), b""))
            if xz.returncode != 0:
                raise RuntimeError("xz failed")
            self._file.unlink()
            cache.mkdir(parents=True, exist_ok=True)
            kept.write_text(str(size))
        return int(kept.read_text())


def _read_back(
    binaries: Path, state: Path, kernels: list[Kernel], archives: dict[str, Path], when: str
) -> list[str]:
    """Small is easy if it need not come out again."""
    problems = []
    with Server(binaries, state, QUIET) as server:
        for kernel in kernels:
            with urllib.request.urlopen(f"{server.url}/buildid/{build_id(kernel.release)}/headers.tar") as answer:
                served = read_tar(answer)
            with open(archives[kernel.release], "rb") as file:
                if served != read_tar(file):
                    problems.append(f"{kernel.release} did not come out as it went in, {when}")
    return problems
