"""What an upload costs the server: CPU against the least possible, and peak memory."""

import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from debian_kernels import Kernel
from kheaders_archive import Tree, read_tar, write_tar
from server import QUIET, Server
from storage import build_id

# Of the ratio to hashing.
LIMIT = 2.5
# The server takes files of up to 16 MiB.
GENERATED_FILE = 15_000_000


@dataclass
class Cost:
    """The server's CPU seconds for one kind of upload, and their ratio to hashing alone, over the rounds."""

    what: str
    seconds: list[float]
    ratios: list[float]


def cpu(binaries: Path, kernels: list[Kernel], archives: dict[str, Path], rounds: int) -> list[Cost]:
    """Pushes three kernels to an empty server, again and again, each right after its own yardstick."""
    costs = [Cost(what, [], []) for what, _ in _uploads(kernels)]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, Server(binaries, Path(folder) / "state", QUIET) as server:
            for cost, (_, kernel) in zip(costs, _uploads(kernels), strict=True):
                archive = archives[kernel.release]
                yardstick = cpu_of_hashing(archive)
                before = server.cpu_seconds
                server.push(archive, build_id(kernel.release))
                cost.seconds.append(server.cpu_seconds - before)
                cost.ratios.append(cost.seconds[-1] / yardstick)
    return costs


def _uploads(kernels: list[Kernel]) -> list[tuple[str, Kernel]]:
    """Of the newest series with two revisions: a first kernel, the next revision, another flavour of that."""
    for last in reversed(kernels):
        revisions = [kernel for kernel in kernels if kernel.series == last.series and kernel.flavour == "generic"]
        flavours = [kernel for kernel in kernels if kernel.revision == revisions[-1].revision]
        if len(revisions) > 1 and len(flavours) > 1:
            return [
                (f"first kernel ({revisions[-2].release})", revisions[-2]),
                (f"next revision ({revisions[-1].release})", revisions[-1]),
                (f"another flavour ({flavours[1].release})", flavours[1]),
            ]
    raise RuntimeError("the registry offers no series with two revisions and two flavours")


def cpu_of_hashing(archive: Path) -> float:
    """CPU seconds of `xz -dc ARCHIVE | sha256sum`: the least that anybody pays who checks what an archive holds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    xz = subprocess.Popen(["xz", "-dc", str(archive)], stdout=subprocess.PIPE)
    subprocess.run(["sha256sum"], stdin=xz.stdout, stdout=subprocess.DEVNULL, check=True)
    xz.stdout.close()
    if xz.wait() != 0:
        raise RuntimeError("xz failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass
class Memory:
    tar: int  # bytes
    idle: int  # peak resident bytes of the server before the upload
    peak: int  # and after it


def memory(binaries: Path, archive: Path, sizes: list[int]) -> list[Memory]:
    """The peak of one server each, for plain tars of about these sizes."""
    with open(archive, "rb") as file:
        headers = read_tar(file)
    results = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            tar = Path(folder) / "headers.tar"
            with open(tar, "wb") as file:
                write_tar(_enlarged(headers, size), file)
            with Server(binaries, Path(folder) / "state", QUIET) as server:
                idle = server.peak_memory
                server.push(tar, build_id(str(size)))
                results.append(Memory(tar.stat().st_size, idle, server.peak_memory))
    return results


def _enlarged(headers: Tree, size: int) -> Tree:
    """Real headers, and generated ones up to the size, all different, and as compressible as headers are."""
    corpus = b"".join(content for content in headers.values() if isinstance(content, bytes))
    tree, missing = dict(headers), size - len(corpus) - 700 * len(headers)  # 700: a tar header and half a block
    number = 0
    while missing > 0:
        length = min(missing, GENERATED_FILE)
        start = number * 7_919_000 % (len(corpus) - length)
        tree[f"include/generated/bench/{number:04}.h"] = b"/* %d */\n" % number + corpus[start : start + length]
        missing -= length
        number += 1
    return tree
