#!/usr/bin/env -S python3 -B
"""Measures a real kheaderd on the kernels that the distribution's registry offers today.

`make bench` and `make bench-quick` build the release binaries and run this. Exits 1 if something that must hold does
not: a kernel that does not come out as it went in, another flavour of a stored revision that adds 100 kB or more, a host
of the simulated fleet that is told what is not so, an agent that is too large.
"""

import argparse
import dataclasses
import datetime
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import agent
import debian_kernels
import fetch
import fleet
import ingest
import kheaders_archive
import lists
import precompiled
import report
import serve
import storage
import verify
from debian_kernels import Kernel


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True, help="folder with the programs")
    parser.add_argument("--cache", type=Path, required=True, help="where downloads and archives are kept")
    parser.add_argument("--quick", action="store_true", help="four kernels, fewer rounds, no large tar")
    parser.add_argument("--all", action="store_true", help="every kernel offered, not the newest of each series")
    parser.add_argument("--suite", choices=["lists", "precompiled", "serve", "verify"], help="measure this only")
    parser.add_argument("--rounds", type=int, default=5, help="of the CPU measurement")
    parser.add_argument("--json", type=Path, help="where to write the results as JSON ('-' for stdout, without tables)")
    parser.add_argument("--markdown", type=Path, help="where to write the tables, besides stdout")
    return parser.parse_args()


def choose(options: argparse.Namespace) -> list[Kernel]:
    offered = debian_kernels.offered()
    if options.quick:
        return debian_kernels.few(offered)
    chosen = offered if options.all else debian_kernels.newest_revisions(offered, 2)
    if len(chosen) < 10:
        sys.exit(f"bench: the registry offers {len(chosen)} kernels that fit; ten are needed. Is `apt-get update` due?")
    return chosen


def make_archives(kernels: list[Kernel], cache: Path) -> dict[str, Path]:
    """The kernels' archives by release, made once for each version of a package."""
    packages = debian_kernels.download(kernels, cache / "packages")
    folder = cache / "archives"
    folder.mkdir(parents=True, exist_ok=True)

    def archive(kernel: Kernel) -> Path:
        own = packages[kernel.packages[1]]
        destination = folder / f"{own.stem}.tar.xz"
        if not destination.exists():
            say(f"packing the headers of {kernel.release} as its kernel build would")
            kheaders_archive.write_archive([packages[name] for name in kernel.packages], destination)
        return destination

    with ThreadPoolExecutor() as pool:
        return dict(zip([kernel.release for kernel in kernels], pool.map(archive, kernels), strict=True))


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main() -> int:
    options = arguments()
    if options.suite == "lists":
        return only_lists(options)
    kernels = choose(options)
    if options.suite == "precompiled":
        kernels = [precompiled_kernel(kernels)]
    say(f"{len(kernels)} kernels: {' '.join(kernel.release for kernel in kernels)}")
    archives = make_archives(kernels, options.cache)
    about = report.machine() | {"date": datetime.date.today().isoformat(), "load_before": report.load()}

    if options.suite == "precompiled":
        return only_precompiled(options, kernels, archives, about)
    if options.suite == "verify":
        return only_verify(options, kernels, archives, about)
    if options.suite == "serve":
        return only_serve(options, kernels[-1], archives, about)
    say("stored bytes")
    with tempfile.TemporaryDirectory() as folder:
        stored = storage.measure(options.binaries, kernels, archives, Path(folder))
    say("CPU of an upload")
    costs = ingest.cpu(options.binaries, kernels, archives, rounds=2 if options.quick else options.rounds)
    say("peak memory of an upload")
    sizes = [60_000_000] if options.quick else [60_000_000, 600_000_000]
    memories = ingest.memory(options.binaries, archives[kernels[0].release], sizes)
    say("a client's headers")
    newest = kernels[-1]
    fetches = fetch.measure(
        options.binaries, newest, archives[newest.release], options.cache, rounds=5 if options.quick else 15
    )
    say("a verify of the store")
    verified = verify.measure(options.binaries, kernels, archives, rounds=3 if options.quick else options.rounds)
    say("what PCHs save")
    pchs = measure_precompiled(options, kernels, archives)
    say("an agent's host")
    agents = agent.measure(options.binaries, newest.release, archives[newest.release], rounds=5 if options.quick else 15)
    say("a fleet that boots at once")
    simulation = fleet.simulate(options.binaries, hosts=5_000 if options.quick else 100_000)
    about["load_after"] = report.load()

    command = "make bench-quick" if options.quick else "make bench"
    agent_size = agent.binary_size(options.binaries)
    results = {
        "about": about, "storage": stored, "cpu": costs, "memory": memories, "fetch": fetches, "verify": verified,
        "precompiled": pchs,
        "agent": agents,
        "agent_size": agent_size, "fleet": simulation,
    }
    text = report.markdown(command, about, stored, costs, memories, fetches, verified, pchs, agents, agent_size, simulation)
    write(options, text, json.dumps(results, default=dataclasses.asdict, indent=2) + "\n")
    return 1 if stored.problems or simulation.wrong or agent_size > report.AGENT_LIMIT else 0


def precompiled_kernel(kernels: list[Kernel]) -> Kernel:
    """Of the oldest series: Debian's bcc is older than the newest kernels, and does not go together with them."""
    return [kernel for kernel in kernels if kernel.series == kernels[0].series and kernel.flavour == "generic"][-1]


def measure_precompiled(
    options: argparse.Namespace, kernels: list[Kernel], archives: dict[str, Path]
) -> list[precompiled.Precompiled]:
    kernel = precompiled_kernel(kernels)
    return precompiled.measure(
        options.binaries, kernel, archives[kernel.release], rounds=3 if options.quick else options.rounds
    )


def only_precompiled(
    options: argparse.Namespace, kernels: list[Kernel], archives: dict[str, Path], about: dict
) -> int:
    pchs = measure_precompiled(options, kernels, archives)
    about["load_after"] = report.load()
    command = f"make {'bench-quick' if options.quick else 'bench'} SUITE=precompiled"
    text = "\n\n".join([report.heading(command, about)] + report.precompiled(pchs)) + "\n"
    write(options, text, json.dumps({"about": about, "precompiled": pchs}, default=dataclasses.asdict, indent=2) + "\n")
    return 0


def only_verify(
    options: argparse.Namespace, kernels: list[Kernel], archives: dict[str, Path], about: dict
) -> int:
    verified = verify.measure(options.binaries, kernels, archives, rounds=3 if options.quick else options.rounds)
    about["load_after"] = report.load()
    command = f"make {'bench-quick' if options.quick else 'bench'} SUITE=verify"
    text = "\n\n".join([report.heading(command, about)] + report.verified(verified)) + "\n"
    write(options, text, json.dumps({"about": about, "verify": verified}, default=dataclasses.asdict, indent=2) + "\n")
    return 0


def only_lists(options: argparse.Namespace) -> int:
    about = report.machine() | {"date": datetime.date.today().isoformat(), "load_before": report.load()}
    pages = lists.measure(options.binaries, requests=100 if options.quick else 300)
    about["load_after"] = report.load()
    command = f"make {'bench-quick' if options.quick else 'bench'} SUITE=lists"
    text = "\n\n".join([report.heading(command, about)] + report.listed(pages)) + "\n"
    write(options, text, json.dumps({"about": about, "lists": pages}, default=dataclasses.asdict, indent=2) + "\n")
    return 0


def only_serve(options: argparse.Namespace, kernel: Kernel, archives: dict[str, Path], about: dict) -> int:
    served = serve.measure(options.binaries, kernel, archives[kernel.release], 3 if options.quick else options.rounds)
    about["load_after"] = report.load()
    command = f"make {'bench-quick' if options.quick else 'bench'} SUITE=serve"
    text = "\n\n".join([report.heading(command, about)] + report.served(served)) + "\n"
    write(options, text, json.dumps({"about": about, "serve": served}, default=dataclasses.asdict, indent=2) + "\n")
    return 0


def write(options: argparse.Namespace, text: str, document: str) -> None:
    if options.json == Path("-"):
        sys.stdout.write(document)
    else:
        sys.stdout.write(text)
        if options.json:
            options.json.write_text(document)
    if options.markdown:
        options.markdown.write_text(f"# Benchmark results\n\n{text}")


if __name__ == "__main__":
    sys.exit(main())
