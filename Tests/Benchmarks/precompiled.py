"""What a PCH saves: compiling small tracing programs with it, against compiling them with the headers it was made of."""

import json
import os
import subprocess
import sys
import tempfile
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from debian_kernels import Kernel
from fetch import Comparison, Run, run
from server import Server
from storage import build_id

PROGRAMS = Path(__file__).parent / "programs"
# Each with the umbrella that fits, and what its ratios have to be at least: of parsing alone, of bitcode, of all of bcc.
SUITE = {
    "sched": ("sched", None, 8, 2.3),
    "sock": ("sock", 18, 8, None),
    "block": ("block", 18, 8, None),
    "inline": ("net", 18, 8, 4),
}
# It only reads fields, which bcc makes safe; into inline functions it does not look.
LOADABLE = {"sched": "trace_exec"}
TOOLCHAINS = [14, 16, 19]
# What bcc's own headers declare, for a clang that has none: the helpers that the programs call.
HELPERS = """
static int (*bpf_trace_printk)(const char *format, ...) = (void *)6;
static unsigned long long (*bpf_get_current_pid_tgid)(void) = (void *)14;
static int (*bpf_get_current_comm)(void *buffer, unsigned size) = (void *)16;
"""


@dataclass
class Precompiled(Comparison):
    """Ours is with the PCH, theirs with the headers; `least` is how many times theirs must be ours."""

    least: float | None = None
    loaded: bool = False
    # The same compiler with an empty file and no headers.
    floor: list[Run] = field(default_factory=list)

    @property
    def gains(self) -> list[float]:
        return [1 / ratio for ratio in self.ratios("cpu")]

    @property
    def most(self) -> float | None:
        """How many times faster it would be if only the compiler's own start were left."""
        return statistics.median(a.cpu / b.cpu for a, b in zip(self.theirs, self.floor)) if self.floor else None


def measure(
    binaries: Path, kernel: Kernel, archive: Path, rounds: int, toolchains: list[int], programs: list[str]
) -> list[Precompiled]:
    identity = build_id(kernel.release)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        place = Path(folder)
        with Server(binaries, place / "state") as server:
            server.push(archive, identity)
            bench = _Bench(binaries / "kheader", server.url, identity, place, rounds)
            found = [clang for major in toolchains if (clang := Path(f"/usr/lib/llvm-{major}/bin/clang")).exists()]
            return [
                comparison for clang in found for name in programs for comparison in bench.clang(clang, name)
            ] + [bench.bcc(name) for name in programs if SUITE[name][-1]]


class _Bench:
    def __init__(self, kheader: Path, url: str, identity: str, place: Path, rounds: int):
        self._kheader = str(kheader)
        self._settings = {"KHEADER_URLS": url}
        self._options = ["--build-id", identity, "--cache", str(place / "cache")]
        self._place = place
        self._rounds = rounds

    def clang(self, clang: Path, name: str) -> list[Precompiled]:
        """Parsing alone, then to bitcode with debug information, as tools need it."""
        umbrella, parse, bitcode, _ = SUITE[name]
        label = f"clang {clang.parts[3].removeprefix('llvm-')}, {name}"
        source = self._place / f"{name}.c"
        text = (PROGRAMS / f"{name}.c").read_text().replace("#include <bcc/proto.h>\n", "")
        head, _, body = text.rpartition("#include")
        line, _, rest = body.partition("\n")
        source.write_text(f"{head}#include{line}\n{HELPERS}{rest}")
        headers = [str(clang)] + self._words("flags", "--for", "clang")
        precompiled = [str(clang)] + self._words(
            "pch", "--for", "clang", "--clang", str(clang), "--umbrella", umbrella
        )
        modes = {
            "parsed": (["-fsyntax-only"], parse), "bitcode": (["-g", "-emit-llvm", "-c", "-o", "/dev/null"], bitcode),
        }
        empty = self._place / "empty.c"
        empty.touch()
        return [
            self._compare(
                Precompiled(f"{label}, {mode}", "headers", None, None, least=least),
                *(words + ["-O2"] + flags + [str(file)] for words, file in
                  [(precompiled, source), (headers, source), ([str(clang)], empty)]),
            )
            for mode, (flags, least) in modes.items()
        ]

    def bcc(self, name: str) -> Precompiled:
        """The whole of a tool's start: Python, libbcc, three passes over the program, the load."""
        umbrella, *_, least = SUITE[name]
        tool = ["/usr/bin/python3", str(PROGRAMS / "load.py"), str(PROGRAMS / f"{name}.c")]
        headers = [self._kheader, "exec"] + self._options + ["--"]
        precompiled = [self._kheader, "exec", "--pch", "--umbrella", umbrella, "--pch-wait", "300"] + self._options + ["--"]
        loaded = name in LOADABLE and self._plain(headers + tool + [LOADABLE[name]]).returncode == 0
        if loaded:
            tool.append(LOADABLE[name])
        comparison = Precompiled(f"stock bcc, {name}", "headers", None, None, least=least, loaded=loaded)
        self._must_use_it(precompiled + tool)
        return self._compare(comparison, precompiled + tool, headers + tool)

    def _compare(
        self, comparison: Precompiled, ours: list[str], theirs: list[str], floor: list[str] | None = None
    ) -> Precompiled:
        runs = [(theirs, comparison.theirs), (ours, comparison.ours)] + ([(floor, comparison.floor)] if floor else [])
        # What is read for the first time costs more.
        for command, _ in runs:
            run(command, self._settings)
        for _ in range(self._rounds):
            for command, results in runs:
                results.append(run(command, self._settings))
        return comparison

    def _words(self, *command: str) -> list[str]:
        result = self._plain([self._kheader, *command, *self._options, "--format", "json"])
        if result.returncode != 0:
            sys.exit(f"bench: kheader {' '.join(command)}: {result.stderr}")
        return json.loads(result.stdout)

    def _plain(self, command: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | self._settings)

    def _must_use_it(self, command: list[str]) -> None:
        """Without a word: `kheader exec --pch` says so when it falls back on the headers."""
        result = self._plain(command)
        if result.returncode != 0 or "kheader:" in result.stderr:
            sys.exit(f"bench: {' '.join(command)}: {result.stderr}")
