"""What an agent costs its host, against curl sending the same bytes to the same server."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fetch import Comparison, run
from kheaders_archive import Tree, write_tar
from server import Server
from storage import build_id

BOOT = "7b0f8a52-2a4b-4f0e-9d7c-0b1d3f6a9c11"
# Bytes of the larger archive, which does not compress.
LARGE = 40_000_000


def measure(binaries: Path, release: str, archive: Path, rounds: int) -> list[Comparison]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        place = Path(folder)
        stripped = place / "binaries"
        stripped.mkdir()
        subprocess.run(["strip", "-o", str(stripped / "kheader-agent"), str(binaries / "kheader-agent")], check=True)
        with Server(binaries, place / "state") as server:
            # Of the same file system as the hosts' folders, which get links to it.
            archive = Path(shutil.copy(archive, place / "kheaders.tar.xz"))
            bench = AgentBench(str(stripped / "kheader-agent"), server.url, release, place)
            large = place / "large.tar.xz"
            _write_large(large)
            return [
                bench.check_in("check-in, headers", archive, None, rounds * 4),
                bench.script("check-in, headers", archive, rounds * 4),
                bench.check_in("check-in, headers and BTF", archive, some_btf(place), rounds * 4),
                bench.upload("upload", archive, rounds * 2),
                bench.upload(f"upload of {LARGE // 1_000_000} MB", large, max(3, rounds // 2)),
            ]


def binary_size(binaries: Path) -> int:
    """Bytes of the agent without symbols."""
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run(["strip", "-o", stripped.name, str(binaries / "kheader-agent")], check=True)
        return os.stat(stripped.name).st_size


class AgentBench:
    def __init__(self, agent: str, url: str, release: str, place: Path):
        self._agent = agent
        self._url = url
        self._release = release
        self._place = place
        self._hosts = 0

    def check_in(self, what: str, archive: Path, btf: bytes | None, rounds: int) -> Comparison:
        """The server has what the host offers."""
        comparison = Comparison(what, "`curl`", wall_limit=None, cpu_limit=1.5, memory_limit=1.6)
        root, identity = self.host(archive, btf)
        ours = self.command(root)
        run(ours)
        document = self._place / f"{identity}.json"
        document.write_text(json.dumps(self._sighting(root, identity, btf is not None)))
        theirs = ["curl", "-sS", "--fail", "-H", "Content-Type: application/json", "--data-binary", f"@{document}"]
        theirs.append(f"{self._url}/v1/kernels/{identity}/sightings")
        run(theirs)
        for _ in range(rounds):
            comparison.theirs.append(run(theirs))
            comparison.ours.append(run(ours))
        for _ in range(5):
            comparison.their_memories.append(peak_memory(theirs))
            comparison.our_memories.append(peak_memory(ours))
        return comparison

    def script(self, what: str, archive: Path, rounds: int) -> Comparison:
        """A check-in without an agent: the digest has to come from somewhere."""
        comparison = Comparison(what, "`sha256sum` and `curl`", wall_limit=None, cpu_limit=None)
        root, identity = self.host(archive, None)
        ours = self.command(root)
        run(ours)
        document = self._place / f"{identity}.json"
        document.write_text(json.dumps(self._sighting(root, identity, False)))
        script = (
            'sha256sum "$1" > "$2.sum" && curl -sS --fail -H "Content-Type: application/json" --data-binary "@$2" "$3"'
        )
        url = f"{self._url}/v1/kernels/{identity}/sightings"
        theirs = ["sh", "-c", script, "sh", str(archive), str(document), url]
        for _ in range(rounds):
            comparison.theirs.append(run(theirs))
            comparison.ours.append(run(ours))
        comparison.their_memories.append(peak_memory(theirs))
        comparison.our_memories.append(peak_memory(ours))
        return comparison

    def upload(self, what: str, archive: Path, rounds: int) -> Comparison:
        """The server has never seen the kernel: another one each time."""
        comparison = Comparison(what, "`curl -T`", wall_limit=None, cpu_limit=1.5, memory_limit=1.8)

        def theirs() -> list[str]:
            self._hosts += 1
            target = f"{self._url}/v1/kernels/{build_id(f'curl {self._hosts}')}/headers"
            return ["curl", "-sS", "--fail", "-T", str(archive), target]

        def ours() -> list[str]:
            return self.command(self.host(archive, None)[0])

        for _ in range(rounds):
            comparison.theirs.append(run(theirs()))
            comparison.ours.append(run(ours()))
        for _ in range(3):
            comparison.their_memories.append(peak_memory(theirs()))
            comparison.our_memories.append(peak_memory(ours()))
        return comparison

    def command(self, root: Path) -> list[str]:
        return [self._agent, "run", "--root", str(root), "--server", self._url, "--spool", str(self._place)]

    def host(self, archive: Path, btf: bytes | None) -> tuple[Path, str]:
        """A folder that is a host's `/`, with a kernel of its own."""
        self._hosts += 1
        identity = build_id(f"agent {self._hosts}")
        root = self._place / f"host-{self._hosts}"
        note = bytes.fromhex(identity)
        files = {
            # name size, descriptor size, NT_GNU_BUILD_ID
            "sys/kernel/notes": b"".join(n.to_bytes(4, "little") for n in (4, len(note), 3)) + b"GNU\0" + note,
            "proc/sys/kernel/osrelease": f"{self._release}\n".encode(),
            "proc/sys/kernel/version": b"#1 SMP\n",
            "proc/sys/kernel/random/boot_id": f"{BOOT}\n".encode(),
            "etc/machine-id": f"{self._hosts:032x}\n".encode(),
        }
        if btf:
            files["sys/kernel/btf/vmlinux"] = btf
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (root / "sys/kernel/kheaders.tar.xz").hardlink_to(archive)
        return root, identity

    def _sighting(self, root: Path, identity: str, has_btf: bool) -> dict:
        """The document that the agent sends, of another host."""
        report = json.loads(
            subprocess.run(
                self.command(root) + ["--json"], check=True, capture_output=True, env={"PATH": os.environ["PATH"]}
            ).stdout
        )
        offers = [{"artefact": "headers", "origin": "sysfs", "bytes": 1, "digest": "0" * 64}]
        if has_btf:
            offers.append({"artefact": "btf", "bytes": 1, "digest": "0" * 64})
        return {
            "host": "0" * 32, "bootID": BOOT, "agent": "kheader-agent/0.0.0", "kernel": report["kernel"],
            "steps": report["steps"], "offers": offers,
        }


def some_btf(place: Path) -> bytes:
    """This kernel's, or bytes that look like BTF of the usual size."""
    own = Path("/sys/kernel/btf/vmlinux")
    if own.exists():
        return own.read_bytes()
    strings = b"\0" + b"name\0" * 1_000_000
    numbers = [24, 0, 16, 16, len(strings)]
    header = b"\x9f\xeb\x01\0" + b"".join(n.to_bytes(4, "little") for n in numbers)
    return header + b"".join(n.to_bytes(4, "little") for n in (1, 1 << 24, 4, 1 << 24 | 32)) + strings


def _write_large(path: Path) -> None:
    tree: Tree = {f"include/linux/random{n}.h": os.urandom(LARGE // 4) for n in range(4)}
    tree["include/linux/kconfig.h"] = b"#define KCONFIG\n"
    with open(path, "wb") as output, subprocess.Popen(["xz", "-0", "-T0"], stdin=subprocess.PIPE, stdout=output) as xz:
        write_tar(tree, xz.stdin)
        xz.stdin.close()
    if xz.returncode != 0:
        raise RuntimeError("xz failed")


def peak_memory(command: list[str]) -> int:
    """Bytes of the largest resident set. By time(1), which is small: a process starts with what its parent had."""
    with tempfile.NamedTemporaryFile() as figures:
        run(["/usr/bin/time", "-f", "%M", "-o", figures.name] + command)
        return int(figures.read().split()[-1]) * 1024
