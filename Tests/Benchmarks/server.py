"""A kheaderd of its own, measured from outside: CPU and memory from /proc, disk by walking its folder."""

import json
import os
import signal
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """Runs while the `with` block does; stopped gracefully, so that what it leaves on disk is all it would leave."""

    def __init__(self, binaries: Path, state: Path):
        self._command = [str(binaries / "kheaderd"), "serve", "--state", str(state), "--listen", "127.0.0.1:0"]
        self._client = str(binaries / "kheader")
        self._log = state.with_suffix(".log")

    def __enter__(self) -> "Server":
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()
            )
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"kheaderd did not start; see {self._log}")
        self.url = line.split()[-1]
        return self

    def __exit__(self, kind, _error, _traceback) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process.stdout.close()
        if status != 0 and kind is None:
            raise RuntimeError(f"kheaderd stopped with status {status}; see {self._log}")

    def push(self, archive: Path, build_id: str) -> None:
        command = [self._client, "push", str(archive), "--build-id", build_id, "--server", self.url]
        result = subprocess.run(command, capture_output=True, text=True, env=_environment())
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {result.stderr}")

    def store_status(self) -> dict:
        with urllib.request.urlopen(f"{self.url}/v1/store") as answer:
            return json.load(answer)

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        # The name, in parentheses, may hold spaces; fields are counted after it.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def resident_memory(self) -> int:
        """The resident set now, in bytes."""
        return self._status("VmRSS")

    @property
    def peak_memory(self) -> int:
        """The largest resident set so far, in bytes."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"this kernel does not tell a process's {name}")


def _environment() -> dict[str, str]:
    """Without the caller's own settings for these programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KHEADER")}


@dataclass
class Disk:
    bytes: int  # of all files
    allocated: int  # of all files and folders, as the file system counts


def disk(folder: Path, without: str | None = None) -> Disk:
    """What a folder takes, leaving out the one folder right below it that is named."""
    total = Disk(0, folder.lstat().st_blocks * 512)
    for path in folder.rglob("*"):
        if path.relative_to(folder).parts[0] == without:
            continue
        status = path.lstat()
        total.allocated += status.st_blocks * 512
        if not path.is_dir():
            total.bytes += status.st_size
    return total
