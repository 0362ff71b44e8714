"""Whether a server with 10,000 kernels is any slower, or takes any more bytes for a further one, than one with 100."""

import copy
import http.client
import io
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from debian_kernels import Kernel
from descent import Descent, File, Synthetic, digest
from kheaders_archive import read_tar
from server import QUIET, Server, disk

# Folders of a real tree: a sixth of its files. The first kernel of each series brings more than 4 MB that are new, which an
# ingest compresses fast, and leaves to the repack.
SLICE = (
    "include/generated/", "include/net/", "include/asm-generic/", "include/crypto/", "include/acpi/", "include/rdma/",
    "include/sound/", "include/scsi/", "include/trace/",
)  # fmt: skip
# Lines of descent from each series.
LINES = 4
# In each round: kernels that are asked for; pages of so many kernels; bundles of each age.
ASKED, PAGES, PAGE, BUNDLES = 40, 10, 100, 2


@dataclass
class Figure:
    """One quantity; for each number of kernels one value a round."""

    what: str
    unit: str
    values: dict[int, list[float]] = field(default_factory=dict)

    @property
    def ratios(self) -> list[float]:
        """Of the most kernels to the fewest, round by round."""
        fewest, most = min(self.values), max(self.values)
        return [a / b for a, b in zip(self.values[most], self.values[fewest], strict=True) if b]

    @property
    def slope(self) -> float:
        """What a further kernel adds: between the fewest and the most."""
        fewest, most = min(self.values), max(self.values)
        ends = statistics.median(self.values[fewest]), statistics.median(self.values[most])
        return (ends[1] - ends[0]) / (most - fewest)


@dataclass
class Growth:
    flat: list[Figure] = field(default_factory=list)  # that must not grow with the number of kernels
    linear: list[Figure] = field(default_factory=list)  # that may
    files: int = 0  # of the last kernel, and its bytes
    bytes: int = 0
    part: str = ""  # of a whole tree
    lines: int = 0
    rounds: int = 0
    added: int = 0  # kernels, in each round
    problems: list[str] = field(default_factory=list)

    def note(self, size: int, figures: list[Figure], what: str, unit: str, value: float) -> None:
        figure = next((figure for figure in figures if figure.what == what and figure.unit == unit), None)
        if not figure:
            figure = Figure(what, unit)
            figures.append(figure)
        figure.values.setdefault(size, []).append(value)


def measure(
    binaries: Path, ancestors: list[Kernel], archives: dict[str, Path], sizes: list[int], rounds: int, added: int,
    whole: bool, say: Callable[[str], None],
) -> Growth:  # fmt: skip
    """Grows one store through all sizes, a copy left at each; then measures them side by side, round by round."""
    descent = _descent(ancestors, archives, whole)
    part = "whole trees" if whole else f"of a real tree {', '.join(f'`{folder}`' for folder in SLICE)}"
    growth = Growth(lines=len(descent.lines), rounds=rounds, added=added, part=part)
    with tempfile.TemporaryDirectory() as name:
        stores = _grow(binaries, Path(name), descent, sizes, growth, say)
        for number in range(rounds):
            say(f"growth: round {number + 1} of {rounds}")
            for store in stores:
                store.measure(number)
        for store in stores:
            say(f"growth: upkeep of {store.size:,} kernels")
            store.upkeep()
    return growth


def _descent(ancestors: list[Kernel], archives: dict[str, Path], whole: bool) -> Descent:
    trees, files = {}, 0
    for kernel in ancestors:
        with open(archives[kernel.release], "rb") as file:
            tree = read_tar(file)
        files = max(files, len(tree))
        part = {path: content for path, content in tree.items() if whole or path.startswith(SLICE)}
        trees[".".join(map(str, kernel.series))] = part
    return Descent(trees, LINES, files)


def _grow(
    binaries: Path, folder: Path, descent: Descent, sizes: list[int], growth: Growth, say: Callable[[str], None]
) -> list["_Store"]:
    kernels: list[Synthetic] = []
    stores = []
    for size in sizes:
        say(f"growth: up to {size:,} kernels")
        with Server(binaries, folder / "state", QUIET) as server:
            connection = _Connection(server)
            while len(kernels) < size:
                kernel = descent.next()
                connection.push(kernel)
                kernel.files = {}
                kernels.append(kernel)
        state = folder / f"state-{size}"
        shutil.copytree(folder / "state", state)
        stores.append(_Store(binaries, state, copy.deepcopy(descent), list(kernels), growth))
    last = descent.lines[-1].files.values()
    growth.files, growth.bytes = len(last), sum(len(file.content) for file in last)
    # What was in all lines from the first kernel to the last.
    paths = sorted(set.intersection(*(set(line.files) for line in descent.lines)))
    for store in stores:
        store.paths = paths
    return stores


class _Store:
    """A server's folder that has grown to a size, and the kernels that come next."""

    paths: list[str]

    def __init__(
        self, binaries: Path, state: Path, descent: Descent, kernels: list[Synthetic], growth: Growth
    ):
        self.size = len(kernels)
        self._binaries = binaries
        self._state = state
        self._descent = descent
        self._kernels = kernels
        self._growth = growth

    def _flat(self, what: str, unit: str, value: float) -> None:
        self._growth.note(self.size, self._growth.flat, what, unit, value)

    def _linear(self, what: str, unit: str, value: float) -> None:
        self._growth.note(self.size, self._growth.linear, what, unit, value)

    def measure(self, number: int) -> None:
        """One life of a server on a copy of the folder: a start, reads of what it has not read before, further kernels."""
        state = self._state.with_name("round")
        shutil.copytree(self._state, state)
        before = _on_disk(state)
        some = [self._kernels[(number + index * self.size // ASKED) % self.size] for index in range(ASKED)]
        trees = [f"/buildid/{kernel.build_id}" for kernel in some]
        paths = [self.paths[(number + 7 * index) % len(self.paths)] for index in range(ASKED)]
        with Server(self._binaries, state, QUIET) as server:
            self._linear("start-up", "ms", server.start_seconds * 1000)
            self._linear("start-up", "CPU ms", server.cpu_seconds * 1000)
            self._linear("memory after it", "MB", server.resident_memory / 1e6)
            connection = _Connection(server)
            sources = [f"{tree}/source/{path}" for tree, path in zip(trees, paths)]
            self._ask(connection, "`source/…`, cold", sources, is_cold=True)
            self._ask(connection, "`manifest.json`, cold", [f"{tree}/manifest.json" for tree in trees], is_cold=True)
            self._ask(connection, "look-up of a build ID", [f"/v1/kernels/{kernel.build_id}" for kernel in some] * 5)
            unknown = [f"/buildid/{index:040x}/manifest.json" for index in range(5 * ASKED)]
            self._ask(connection, "404 of a build ID", unknown, status=404)
            self._ask(connection, f"list, a page of {PAGE}", [f"/v1/kernels?limit={PAGE}"] * PAGES)
            # Other ones in each round.
            first = BUNDLES * number
            self._bundles(connection, "first bundle, newest", self.size - first - BUNDLES)
            self._bundles(connection, "first bundle, middle", self.size // 2 + first)
            self._bundles(connection, "first bundle, oldest", first)
            costs = []
            descent = self._descent.branch(number)
            for _ in range(self._growth.added):
                kernel, used = descent.next(), server.cpu_seconds
                connection.push(kernel)
                costs.append((server.cpu_seconds - used) * 1000)
            self._flat("ingest", "CPU ms", statistics.median(costs))
            self._linear("memory after the round", "MB", server.resident_memory / 1e6)
        for what, size in _on_disk(state).items():
            self._flat(f"a further kernel, {what}", "bytes", (size - before[what]) / self._growth.added)
        shutil.rmtree(state)

    def upkeep(self) -> None:
        """Of the folder itself; then some of all kernels are read back."""
        self._linear("on disk", "MB", _on_disk(self._state)["all"] / 1e6)
        with Server(self._binaries, self._state, QUIET) as server:
            self._task(server, "collect, dry run", "collect", "?dryRun=true")
            repack = self._task(server, "repack", "repack")
        if repack:
            self._linear("packs that it made smaller", "", repack["packsRewritten"])
            if not repack["packsRewritten"]:
                self._growth.problems.append(f"the repack of {self.size} kernels had nothing to make smaller")
            self._linear("on disk after the repack", "MB", _on_disk(self._state)["all"] / 1e6)
        with Server(self._binaries, self._state, QUIET) as server:
            connection = _Connection(server)
            if repack:
                self._bundles(connection, "first bundle, newest, repacked", self.size - BUNDLES)
            for kernel in [self._kernels[index * (self.size - 1) // 9] for index in range(10)]:
                tree = read_tar(io.BytesIO(connection.ask("GET", f"/buildid/{kernel.build_id}/headers.tar")))
                if digest({path: File(path, content) for path, content in tree.items()}) != kernel.digest:
                    self._growth.problems.append(f"{kernel.release}, one of {self.size}, did not come out as it went in")

    def _task(self, server: Server, what: str, name: str, query: str = "") -> dict | None:
        """What it did; None if the server has no such task."""
        used, began = server.cpu_seconds, time.perf_counter()
        state = server.run_task(name, query)
        if state:
            self._linear(what, "s", time.perf_counter() - began)
            self._linear(what, "CPU s", server.cpu_seconds - used)
        return state

    def _bundles(self, connection: "_Connection", what: str, place: int) -> None:
        chosen = self._kernels[place : place + BUNDLES]
        self._ask(connection, what, [f"/buildid/{kernel.build_id}/headers.tar.zst" for kernel in chosen], is_cold=True)

    def _ask(
        self, connection: "_Connection", what: str, paths: list[str], status: int = 200, is_cold: bool = False
    ) -> None:
        """Each path once."""
        server, walls = connection.server, []
        used, read = server.cpu_seconds, server.read_bytes
        for path in paths:
            began = time.perf_counter()
            connection.ask("GET", path, status=status)
            walls.append(time.perf_counter() - began)
        self._flat(what, "CPU ms", (server.cpu_seconds - used) / len(paths) * 1000)
        self._flat(what, "p50 ms", statistics.median(walls) * 1000)
        if is_cold:
            self._flat(what, "kB read", (server.read_bytes - read) / len(paths) / 1000)


def _on_disk(state: Path) -> dict[str, int]:
    """Bytes, while no server runs."""
    return {
        "packs": disk(state / "packs").bytes,
        "catalogue": (state / "catalogue.sqlite").stat().st_size,
        "all": disk(state, without="bundles").bytes,
    }


class _Connection:
    """One that is kept: as cheap for client and server as it gets."""

    def __init__(self, server: Server):
        self.server = server
        self._http = http.client.HTTPConnection(server.url.removeprefix("http://"))

    def ask(self, method: str, path: str, body: bytes | None = None, status: int = 200) -> bytes:
        self._http.request(method, path, body)
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status != status:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def push(self, kernel: Synthetic) -> None:
        self.ask("PUT", f"/v1/kernels/{kernel.build_id}/headers", kernel.tar, 201)
