#!/usr/bin/env -S python3 -B
"""Writes which functions an agent runs, for the linker.

    Tests/Benchmarks/link_order.py BINARIES FILE

`make link-order` builds the release binaries and runs this. The agent runs under callgrind: a check-in of a host whose
kernel the server has, and an upload, each with BTF. Names of which a later build knows nothing do no harm, so that the file
is to be made anew only when the agent's memory (`make bench SUITE=agent`) has grown, as it does with another compiler.
"""

import lzma
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from agent import AgentBench, some_btf
from kheaders_archive import write_tar
from server import Server

FUNCTION = re.compile(r"^c?fn=\(\d+\) (\S+?)('\d+)?$", re.MULTILINE)


def main(binaries: Path, output: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        agent = place / "kheader-agent"
        # The debugger's information is more than valgrind reads.
        subprocess.run(["strip", "-g", "-o", str(agent), str(binaries / "kheader-agent")], check=True)
        symbols = subprocess.run(["nm", str(agent)], check=True, capture_output=True, text=True).stdout
        code = {words[-1] for line in symbols.splitlines() if (words := line.split())[-2] in "tTwW"}
        with Server(binaries, place / "state") as server:
            bench = AgentBench(str(agent), server.url, "6.12.0-1-amd64", place)
            archive = place / "kheaders.tar.xz"
            with lzma.open(archive, "wb") as tar:
                write_tar({"include/linux/kconfig.h": b"#define KCONFIG\n"}, tar)
            root, _ = bench.host(archive, some_btf(place))
            # The first run uploads.
            functions = _run(bench.command(root), place) | _run(bench.command(root), place)
    output.write_text("".join(f"{name}\n" for name in sorted(functions & code)))


def _run(command: list[str], place: Path) -> set[str]:
    profile = place / "callgrind.out"
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={profile}"]
    subprocess.run(valgrind + command, check=True)
    return {match[1] for match in FUNCTION.finditer(profile.read_text())}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
