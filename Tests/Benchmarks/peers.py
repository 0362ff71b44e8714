"""Other tools that store many similar trees, given the same archives."""

import shutil
import subprocess
from pathlib import Path

from server import Disk, disk

# Not the caller's: borg and ostree take settings from it.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


class Peer:
    """A repository of one such tool."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._previous = 0

    def add(self, tar: Path, tree: Path, name: str) -> int:
        """Stores a tree, which lies there as a tar and unpacked; returns the bytes by which the repository grew."""
        self._store(tar, tree, name)
        before, self._previous = self._previous, self.disk().bytes
        return self._previous - before

    def disk(self) -> Disk:
        return disk(self.folder)

    def _run(self, *command: str) -> None:
        environment = _ENVIRONMENT | {"HOME": str(self.folder.parent), "RESTIC_PASSWORD": "benchmark"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


class OSTree(Peer):
    name = "ostree"
    label = "ostree, archive mode"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._run("ostree", f"--repo={folder}", "init", "--mode=archive")

    def _store(self, tar: Path, tree: Path, name: str) -> None:
        branch = name.replace("+", "_")  # which a branch's name cannot have
        self._run("ostree", f"--repo={self.folder}", "commit", "-b", branch, "--timestamp=@0", f"--tree=tar={tar}")


class Borg(Peer):
    name = "borg"
    label = "borg, zstd,19"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._run("borg", "init", "-e", "none", str(folder))

    def _store(self, tar: Path, tree: Path, name: str) -> None:
        self._run("borg", "import-tar", "-C", "zstd,19", f"{self.folder}::{name}", str(tar))


class Restic(Peer):
    name = "restic"
    label = "restic, `--compression max`"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._run("restic", "--repo", str(folder), "--no-cache", "init")

    def _store(self, tar: Path, tree: Path, name: str) -> None:
        repository = ["--repo", str(self.folder), "--no-cache", "--quiet"]
        self._run("restic", *repository, "backup", "--compression", "max", "--tag", name, str(tree))


class Casync(Peer):
    """Times and owners are those of the tar, which are the same for all kernels."""

    name = "casync"
    label = "casync, its defaults"
    options: list[str] = []

    def _store(self, tar: Path, tree: Path, name: str) -> None:
        self.folder.mkdir(exist_ok=True)
        store = f"--store={self.folder}/store.castr"
        self._run("casync", "make", *self.options, store, f"{self.folder}/{name}.caidx", str(tree))


class CasyncSmall(Casync):
    name = "casync-16k"
    label = "casync, no metadata, 16 kB chunks"
    options = ["--without=all", "--chunk-size=16384"]


def installed(folder: Path, is_quick: bool) -> list[Peer]:
    """Fresh repositories of those that this machine has; in a short run not of borg, which takes longer than all others."""
    all = (OSTree, Restic, Casync, CasyncSmall) if is_quick else (OSTree, Borg, Restic, Casync, CasyncSmall)
    return [peer(folder / peer.name) for peer in all if shutil.which(peer.name.split("-")[0])]
