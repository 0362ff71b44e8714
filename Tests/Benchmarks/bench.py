#!/usr/bin/env -S python3 -B
"""Measures a real kheaderd on the kernels that the distribution's registry offers today.

`make bench` and `make bench-quick` build the release binaries and run this. Exits 1 if something that must hold does
not: a kernel that does not come out as it went in, another flavour of a stored revision that adds 100 kB or more, a repack
of made-up kernels that had nothing to do, a host of the simulated fleet that is told what is not so, an agent that is too
large.
"""

import argparse
import dataclasses
import datetime
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import agent
import debian_kernels
import fetch
import fleet
import growth
import ingest
import kheaders_archive
import lists
import precompiled
import report
import serve
import storage
import verify
from debian_kernels import Kernel


class Bench:
    """What all suites measure with."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.binaries: Path = options.binaries

    def by_length(self, quick: Any, full: Any) -> Any:
        return quick if self.options.quick else full

    @property
    def rounds(self) -> int:
        return self.by_length(2, self.options.rounds)

    @cached_property
    def kernels(self) -> list[Kernel]:
        offered = debian_kernels.offered()
        if self.options.quick:
            return debian_kernels.few(offered)
        chosen = offered if self.options.all else debian_kernels.newest_revisions(offered, 2)
        if len(chosen) < 10:
            sys.exit(f"bench: the registry offers {len(chosen)} kernels that fit; ten are needed. Is `apt-get update` due?")
        return chosen

    @property
    def newest(self) -> Kernel:
        return self.kernels[-1]

    @property
    def oldest_series(self) -> Kernel:
        """Debian's bcc is older than the newest kernels, and does not go together with them."""
        first = self.kernels[0].series
        return [kernel for kernel in self.kernels if kernel.series == first and kernel.flavour == "generic"][-1]

    def archives(self, kernels: list[Kernel]) -> dict[str, Path]:
        """By release, made once for each version of a package."""
        packages = debian_kernels.download(kernels, self.options.cache / "packages")
        folder = self.options.cache / "archives"
        folder.mkdir(parents=True, exist_ok=True)

        def archive(kernel: Kernel) -> Path:
            own = packages[kernel.packages[1]]
            destination = folder / f"{own.stem}.tar.xz"
            if not destination.exists():
                self.say(f"packing the headers of {kernel.release} as its kernel build would")
                kheaders_archive.write_archive([packages[name] for name in kernel.packages], destination)
            return destination

        with ThreadPoolExecutor() as pool:
            return dict(zip([kernel.release for kernel in kernels], pool.map(archive, kernels), strict=True))

    def archive(self, kernel: Kernel) -> Path:
        return self.archives([kernel])[kernel.release]

    @staticmethod
    def say(text: str) -> None:
        print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclass
class Suite:
    measure: Callable[[Bench], Any]
    tables: Callable[[Any], list[str]]
    # What must hold, and does not.
    wrong: Callable[[Any], Any] = lambda result: None
    is_quick: bool = True  # one of those that make up `make bench-quick`


def stored(bench: Bench) -> storage.Storage:
    with tempfile.TemporaryDirectory() as folder:
        archives = bench.archives(bench.kernels)
        cache, is_quick = bench.options.cache, bench.options.quick
        return storage.measure(bench.binaries, bench.kernels, archives, Path(folder), cache, is_quick)


def uploads(bench: Bench) -> dict:
    sizes = bench.by_length([60_000_000], [60_000_000, 600_000_000])
    archives = bench.archives(bench.kernels)
    return {
        "cpu": ingest.cpu(bench.binaries, bench.kernels, archives, bench.rounds),
        "memory": ingest.memory(bench.binaries, archives[bench.kernels[0].release], sizes),
    }


def grown(bench: Bench) -> growth.Growth:
    sizes = bench.by_length([25, 50], [100, 1_000, 10_000])
    # The newest of each series.
    ancestors = list({kernel.series: kernel for kernel in bench.kernels if kernel.flavour == "generic"}.values())
    archives, added, whole = bench.archives(ancestors), bench.by_length(20, 100), bench.options.whole_trees
    rounds = bench.by_length(1, bench.rounds)
    return growth.measure(bench.binaries, ancestors, archives, sizes, rounds, added, whole, bench.say)


# In the order of their tables.
SUITES = {
    "store": Suite(stored, report.store, lambda result: result.problems),
    "ingest": Suite(uploads, report.ingest),
    "growth": Suite(grown, report.growth, lambda result: result.problems),
    "fetch": Suite(
        lambda bench: fetch.measure(
            bench.binaries, bench.newest, bench.archive(bench.newest), bench.options.cache, bench.by_length(2, 15)
        ),
        report.fetch,
    ),
    "verify": Suite(
        lambda bench: verify.measure(bench.binaries, bench.kernels, bench.archives(bench.kernels), bench.rounds),
        report.verify,
    ),
    "lists": Suite(
        lambda bench: lists.measure(bench.binaries, bench.by_length(100, 300)), report.lists, is_quick=False
    ),
    "serve": Suite(
        lambda bench: serve.measure(
            bench.binaries, bench.newest, bench.archive(bench.newest), bench.rounds, seconds=bench.by_length(1, 2)
        ),
        report.serve,
    ),
    "pch": Suite(
        lambda bench: precompiled.measure(
            bench.binaries, bench.oldest_series, bench.archive(bench.oldest_series),
            bench.by_length(1, bench.options.rounds),
            precompiled.TOOLCHAINS[: bench.by_length(1, None)],
            bench.by_length(["sched"], list(precompiled.SUITE)),
        ),
        report.pch,
    ),
    "agent": Suite(
        lambda bench: {
            "runs": agent.measure(
                bench.binaries, bench.newest.release, bench.archive(bench.newest), bench.by_length(1, 15)
            ),
            "size": agent.binary_size(bench.binaries),
        },
        report.agent,
        lambda result: result["size"] > report.AGENT_LIMIT,
    ),
    "fleet": Suite(
        lambda bench: fleet.simulate(bench.binaries, bench.by_length(2_500, 100_000)),
        report.fleet,
        lambda result: result.wrong,
        is_quick=False,
    ),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True, help="folder with the programs")
    parser.add_argument("--cache", type=Path, required=True, help="where downloads and archives are kept")
    parser.add_argument("--quick", action="store_true", help="four kernels, fewer rounds, no large tar")
    parser.add_argument("--all", action="store_true", help="every kernel offered, as in the suite store by itself")
    parser.add_argument("--whole-trees", action="store_true", help="in the suite growth: takes hours")
    parser.add_argument("--suite", choices=SUITES, help="measure this only")
    parser.add_argument("--rounds", type=int, default=5, help="of what is measured side by side")
    parser.add_argument("--json", type=Path, help="where to write the results as JSON ('-' for stdout, without tables)")
    parser.add_argument("--markdown", type=Path, help="a file that gets the tables, too, in the place of older ones")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    options.all = options.all or options.suite == "store"
    bench = Bench(options)
    names = [options.suite] if options.suite else [name for name in SUITES if SUITES[name].is_quick or not options.quick]
    results, is_wrong = {}, False
    for name in names:
        bench.say(name)
        about = report.machine() | {"date": datetime.date.today().isoformat(), "load_before": report.load()}
        began = time.monotonic()
        result = SUITES[name].measure(bench)
        about |= {"load_after": report.load(), "seconds": time.monotonic() - began}
        results[name] = {"about": about, "result": result}
        is_wrong = is_wrong or bool(SUITES[name].wrong(result))
        title, *parts = SUITES[name].tables(result)
        command = f"make {bench.by_length('bench-quick', 'bench')} SUITE={name}"
        tables = "\n\n".join([title, report.stamp(command, about), *parts])
        if options.json != Path("-"):
            print(f"{tables}\n", flush=True)
        if options.markdown:
            put(tables, name, options.markdown)
    document = json.dumps(results, default=dataclasses.asdict, indent=2) + "\n"
    if options.json == Path("-"):
        sys.stdout.write(document)
    elif options.json:
        options.json.write_text(document)
    return 1 if is_wrong else 0


def put(tables: str, name: str, file: Path) -> None:
    """Each suite's tables are behind a comment with its name; those that it had before go."""
    before = file.read_text() if file.exists() else ""
    head, *pieces = re.split(r"^<!-- suite: (\w+) -->\n", before, flags=re.MULTILINE)
    all = dict(zip(pieces[::2], map(str.strip, pieces[1::2]), strict=True)) | {name: tables}
    parts = [f"<!-- suite: {name} -->\n\n{all[name]}" for name in SUITES if name in all]
    file.write_text("\n\n".join([head.strip() or "# Benchmark results", *parts]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
