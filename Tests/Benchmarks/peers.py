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

    def add(self, tar: Path, name: str) -> int:
        """Stores a tar; returns the bytes by which the repository grew."""
        self._store(tar, name)
        before, self._previous = self._previous, self.disk().bytes
        return self._previous - before

    def disk(self) -> Disk:
        return disk(self.folder)

    def _run(self, *command: str) -> None:
        environment = _ENVIRONMENT | {"HOME": str(self.folder.parent)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


class OSTree(Peer):
    name = "ostree"
    label = "ostree, archive mode"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._run("ostree", f"--repo={folder}", "init", "--mode=archive")

    def _store(self, tar: Path, name: str) -> None:
        branch = name.replace("+", "_")  # which a branch's name cannot have
        self._run("ostree", f"--repo={self.folder}", "commit", "-b", branch, "--timestamp=@0", f"--tree=tar={tar}")


class Borg(Peer):
    name = "borg"
    label = "borg, zstd,19"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._run("borg", "init", "-e", "none", str(folder))

    def _store(self, tar: Path, name: str) -> None:
        self._run("borg", "import-tar", "-C", "zstd,19", f"{self.folder}::{name}", str(tar))


def installed(folder: Path) -> list[Peer]:
    """Fresh repositories of those that this machine has."""
    return [peer(folder / peer.name) for peer in (OSTree, Borg) if shutil.which(peer.name)]
