"""The kernels whose headers this distribution's registry offers today, and their packages."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

DOWNLOAD = Path(__file__).parent.parent / "download-packages.sh"
FLAVOURS = ["generic", "cloud", "rt"]


@dataclass(frozen=True)
class Kernel:
    release: str  # 6.1.0-56-cloud-amd64
    revision: str  # 6.1.0-56: what all flavours of one build of the source share
    flavour: str
    packages: tuple[str, str]  # common headers, then the flavour's own, which lie over them

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(digits) for digits in re.findall(r"\d+", self.revision))

    @property
    def series(self) -> tuple[int, ...]:
        return self.numbers[:2]


def offered() -> list[Kernel]:
    """All of them, in order of version, then flavour."""
    architecture = _run("dpkg", "--print-architecture").strip()
    names = {line.split()[0] for line in _run("apt-cache", "search", "-n", "^linux-headers-[0-9]").splitlines()}
    # Three numbers at least: linux-headers-6.12-amd64 is a meta-package.
    pattern = re.compile(rf"linux-headers-((\d+\.\d+\.\d+\S*?)(?:-(cloud|rt))?-{architecture})")
    kernels = []
    for name in names:
        match = pattern.fullmatch(name)
        if not match:
            continue
        release, revision, flavour = match.groups()
        common = f"linux-headers-{revision}-common" + ("-rt" if flavour == "rt" else "")
        if common in names:
            kernels.append(Kernel(release, revision, flavour or "generic", (common, name)))
    return sorted(kernels, key=lambda kernel: (kernel.numbers, FLAVOURS.index(kernel.flavour)))


def newest_revisions(kernels: list[Kernel], count: int) -> list[Kernel]:
    """Of each series (6.1, 6.12) the newest revisions, in all flavours."""
    chosen = []
    for series in sorted({kernel.series for kernel in kernels}):
        numbers = sorted({kernel.numbers for kernel in kernels if kernel.series == series})[-count:]
        chosen += [kernel for kernel in kernels if kernel.numbers in numbers]
    return chosen


def few(kernels: list[Kernel]) -> list[Kernel]:
    """A revision, the next one, another flavour of that, and the newest kernel of all: each kind of step once."""
    newest = newest_revisions(kernels, 2)
    first_series = [kernel for kernel in newest if kernel.series == newest[0].series]
    steps = [kernel for kernel in first_series if kernel.flavour == "generic"]
    steps += [kernel for kernel in first_series if kernel.revision == steps[-1].revision and kernel.flavour == "cloud"]
    last = [kernel for kernel in newest if kernel.flavour == "generic"][-1]
    return steps if last in steps else steps + [last]


def download(kernels: list[Kernel], folder: Path) -> dict[str, Path]:
    """The packages' files, by package name. What the folder has already is not downloaded again."""
    names = sorted({package for kernel in kernels for package in kernel.packages})
    paths = _run(str(DOWNLOAD), str(folder), *names).split()
    return dict(zip(names, map(Path, paths), strict=True))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
