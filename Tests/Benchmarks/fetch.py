"""What headers cost a client: a cold fetch against tar, and a warm cache against debuginfod's."""

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from debian_kernels import Kernel
from server import Server
from storage import build_id

# A header that every kernel has: what debuginfod's client is asked for.
HEADER = "include/linux/kconfig.h"


@dataclass
class Run:
    wall: float  # seconds
    cpu: float  # seconds, user and system, children that it waited for included


@dataclass
class Comparison:
    """The same job done by us and by another tool, one right after the other, over the rounds."""

    what: str
    peer: str
    wall_limit: float | None  # the most that ours may take, as a part of the peer's
    cpu_limit: float | None
    memory_limit: float | None = None
    ours: list[Run] = field(default_factory=list)
    theirs: list[Run] = field(default_factory=list)
    our_memories: list[int] = field(default_factory=list)  # bytes of the largest resident set
    their_memories: list[int] = field(default_factory=list)

    def ratios(self, quantity: str) -> list[float]:
        return [getattr(a, quantity) / getattr(b, quantity) for a, b in zip(self.ours, self.theirs, strict=True)]

    @property
    def memory_ratio(self) -> float:
        return statistics.median(self.our_memories) / statistics.median(self.their_memories)


def measure(binaries: Path, kernel: Kernel, archive: Path, disk: Path, rounds: int) -> list[Comparison]:
    """Fetches a kernel again and again from a server on loopback whose bundle is made already.

    The disk is the one that `disk` is on. Each tree goes into a new folder, and nothing is removed before the end: ext4
    makes files many times slower right after it has removed many.
    """
    identity = build_id(kernel.release)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory, tempfile.TemporaryDirectory(dir=disk) as folder:
        with Server(binaries, Path(folder) / "state") as server:
            server.push(archive, identity)
            kheader = [str(binaries / "kheader")]
            # The second address is this host's, too, but no name that the client knows for that: it asks for tar.zst, as
            # over a network.
            cases = [
                ("cold fetch, tmpfs", server.url, Path(memory)),
                ("cold fetch as tar.zst, tmpfs", server.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"), Path(memory)),
                # Last: what it leaves to be written goes to the disk while others run.
                ("cold fetch, disk", server.url, Path(folder)),
            ]
            cold = []
            for number, (what, url, place) in enumerate(cases):
                fetch = kheader + ["fetch", "--server", url, "--build-id", identity, "--to"]
                run(fetch + [f"{memory}/warm-up-{number}"])
                cold.append(_cold(what, fetch, archive, place / f"case-{number}", rounds))
            return cold + [_warm(kheader, server.url, identity, Path(memory), rounds)]


def _cold(what: str, fetch: list[str], archive: Path, place: Path, rounds: int) -> Comparison:
    comparison = Comparison(what, "`tar xf`", wall_limit=0.5, cpu_limit=0.35)
    place.mkdir()
    for number in range(rounds):
        theirs = place / f"tar-{number}"
        theirs.mkdir()
        # What the one before left to be written back must not be paid by the next.
        _write_back(place)
        comparison.theirs.append(run(["tar", "xf", str(archive), "-C", str(theirs)]))
        _write_back(place)
        comparison.ours.append(run(fetch + [str(place / f"kheader-{number}")]))
    return comparison


def _write_back(place: Path) -> None:
    """What is not yet on the disk that a folder is on."""
    subprocess.run(["sync", "--file-system", str(place)], check=True)


def _warm(kheader: list[str], url: str, identity: str, folder: Path, rounds: int) -> Comparison:
    comparison = Comparison("warm `kheader path`", "`debuginfod-find`", wall_limit=1, cpu_limit=None)
    path = kheader + ["path", "--build-id", identity, "--cache", str(folder / "cache")]
    find = ["debuginfod-find", "source", identity, f"/{HEADER}"]
    settings = {
        "KHEADER_URLS": url, "DEBUGINFOD_URLS": url, "DEBUGINFOD_CACHE_PATH": str(folder / "debuginfod"),
    }
    (folder / "debuginfod").mkdir()
    run(path, settings)
    run(find, settings)
    # Short runs: more of them.
    for _ in range(rounds * 4):
        comparison.theirs.append(run(find, settings))
        comparison.ours.append(run(path, settings))
    return comparison


def run(command: list[str], settings: dict[str, str] | None = None) -> Run:
    """One run to its end. The environment has no settings of the caller's, which could send either tool elsewhere."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"} | (settings or {})
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {errors.read().decode(errors='replace')}")
    return Run(wall, usage.ru_utime + usage.ru_stime)
