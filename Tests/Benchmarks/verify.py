"""What a verify of a whole store costs, against sha256sum of the same bytes."""

import os
import resource
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from debian_kernels import Kernel
from server import QUIET, Server
from storage import build_id


@dataclass
class Verified:
    """One verify a round, each right after its yardsticks; CPU seconds, and ratios to the yardsticks' of the same round."""

    kernels: int
    disk: int  # bytes of the packs
    contents: int  # bytes of the distinct files in them, which are unpacked and hashed
    seconds: list[float]
    of_disk: list[float]  # to sha256sum of the packs
    of_contents: list[float]  # to sha256sum of as many bytes as packs and contents have together

    @property
    def throughput(self) -> float:
        """Bytes a second that are hashed."""
        return (self.disk + self.contents) / statistics.median(self.seconds)


def measure(binaries: Path, kernels: list[Kernel], archives: dict[str, Path], rounds: int) -> Verified:
    with tempfile.TemporaryDirectory() as folder, Server(binaries, Path(folder) / "state", QUIET) as server:
        for kernel in kernels:
            server.push(archives[kernel.release], build_id(kernel.release))
        status = server.store_status()
        result = Verified(len(kernels), status["packBytes"], status["blobBytes"], [], [], [])
        packs = list((Path(folder) / "state" / "packs").iterdir())
        contents = Path(folder) / "contents"
        contents.write_bytes(os.urandom(result.contents))
        for _ in range(rounds):
            disk = cpu_of_hashing(packs)
            both = cpu_of_hashing([*packs, contents])
            before = server.cpu_seconds
            verify(server)
            result.seconds.append(server.cpu_seconds - before)
            result.of_disk.append(result.seconds[-1] / disk)
            result.of_contents.append(result.seconds[-1] / both)
        return result


def verify(server: Server) -> None:
    state = server.run_task("verify")
    if state["found"] or state["bytes"] != state["allBytes"]:
        raise RuntimeError(f"the verify went wrong: {state}")


def cpu_of_hashing(files: list[Path]) -> float:
    """CPU seconds of sha256sum."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["sha256sum", *map(str, files)], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
