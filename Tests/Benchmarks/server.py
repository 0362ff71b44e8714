"""A kheaderd of its own, measured from outside: CPU and memory from /proc, disk by walking its folder."""

import ctypes
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

# A server that does nothing by itself, which would be counted with what is measured: no verify, no repack, no compiler that
# tries new headers.
QUIET = {"KHEADERD_VERIFY_ON": "false", "KHEADERD_REPACK_ON": "false", "KHEADERD_PCH_ON": "false"}


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far, to the nanosecond: /proc has hundredths."""
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


class Server:
    """Runs while the `with` block does; stopped gracefully, so that what it leaves on disk is all it would leave."""

    def __init__(self, binaries: Path, state: Path, settings: dict[str, str] | None = None):
        self._settings = settings or {}
        self._command = [str(binaries / "kheaderd"), "serve", "--state", str(state), "--listen", "127.0.0.1:0"]
        self._client = str(binaries / "kheader")
        self._log = state.with_suffix(".log")

    def __enter__(self) -> "Server":
        began = time.perf_counter()
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment() | self._settings
            )
        line = self._process.stdout.readline()
        self.start_seconds = time.perf_counter() - began
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

    def run_task(self, name: str, query: str = "") -> dict | None:
        """Has the store verify, collect or repack; returns what the server says when that is done.

        None if it is a server that has no such task.
        """
        url = f"{self.url}/v1/store/{name}"
        try:
            with urllib.request.urlopen(urllib.request.Request(f"{url}{query}", method="POST", data=b"")) as answer:
                state = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        while state["state"] == "running":
            time.sleep(0.1)
            with urllib.request.urlopen(url) as answer:
                state = json.load(answer)
        if "failure" in state:
            raise RuntimeError(f"{name}: {state}")
        return state

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    @property
    def read_bytes(self) -> int:
        """What it has read so far, from files, sockets and the page cache alike."""
        return self._field("io", "rchar")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def resident_memory(self) -> int:
        """The resident set now, and its files in memory, in bytes."""
        files = [file for file in Path(f"/proc/{self.pid}/fd").iterdir() if os.readlink(file).startswith("/memfd:")]
        return self._field("status", "VmRSS") * 1024 + sum(file.stat().st_blocks * 512 for file in files)

    @property
    def peak_memory(self) -> int:
        """The largest resident set so far, in bytes."""
        return self._field("status", "VmHWM") * 1024

    def _field(self, file: str, name: str) -> int:
        for line in Path(f"/proc/{self._process.pid}/{file}").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
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
