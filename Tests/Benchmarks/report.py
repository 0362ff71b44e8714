"""The results as tables that a person can read (Markdown)."""

import os
import platform
import statistics
from pathlib import Path

from fetch import Comparison
from fleet import Fleet
from growth import ASKED, Figure, Growth
from ingest import LIMIT, Cost, Memory
from lists import HOSTS, KERNELS, Page, p99
from precompiled import Precompiled
from serve import DEBUGINFOD_LIMIT, Served
from server import Disk
from storage import FLAVOUR_LIMIT, Storage
from verify import Verified

# The largest that an agent may be, in bytes.
AGENT_LIMIT = 16 << 20


def machine() -> dict:
    """What a reader must know of the machine to read the times."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.split(":", 1)[1].strip() for line in information if line.startswith("model name")}
    return {
        "cpu": ", ".join(sorted(models)) or platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
    }


def load() -> float:
    return round(os.getloadavg()[0], 2)


def stamp(command: str, about: dict) -> str:
    return (
        f"`{command}`, {about['date']}: {about['cpu']}, {about['cores']} cores, load {about['load_before']} before and "
        f"{about['load_after']} after, {about['seconds']:.0f} s."
    )


def store(storage: Storage) -> list[str]:
    goals = [
        [goal.what, f"**{_number(goal.value)}**", f"at {'least' if goal.is_least else 'most'} {goal.limit:,}"]
        for goal in storage.goals
    ]
    return [
        "## Stored bytes",
        _totals(storage),
        "Of kheaderd, all that is on its disk is counted but bundles, which are made anew whenever they are asked for. The "
        f"solid limit is all {storage.contents:,} bytes of contents, each once, in the order of their paths, as one archive "
        "of `xz -9e` with a dictionary of 128 MiB. Peers get the unpacked tree or the tar, with the times and owners of the tar.",
        table(["", "is", "is to be"], goals),
        "### What each kernel added, bytes",
        _steps(storage),
        f"Another flavour of a stored revision must add less than {FLAVOUR_LIMIT:,} bytes."
        + "".join(f"\n- Wrong: {problem}" for problem in storage.problems),
    ]


def ingest(uploads: dict) -> list[str]:
    return [
        "## CPU and memory of an upload",
        _costs(uploads["cpu"]),
        "Hashing is `xz -dc ARCHIVE | sha256sum` of the same archive, run right before each upload. What the server would do by "
        "itself in the background is off: verify, repack, and the compiler that tries new headers.",
        _memories(uploads["memory"]),
        "The server's resident set at its largest, before and after the upload of a plain tar.",
    ]


def fetch(fetches: list[Comparison]) -> list[str]:
    return [
        "## A client's headers",
        _fetches(fetches),
        "Seconds are medians; a ratio is ours to the peer's, run right before it, and the median of all rounds. A cold fetch "
        "is `kheader fetch --to`, every file verified, from a server on loopback, against `tar xf kheaders.tar.xz` of the "
        "same tree; warm is what is in the cache already.",
    ]


def agent(agents: dict) -> list[str]:
    return [
        "## An agent's host",
        _agents(agents["runs"]),
        f"The agent has {agents['size']:,} bytes without symbols (at most {AGENT_LIMIT:,}). `curl` sends the same bytes to the "
        "same server, one right before each run of the agent; a check-in has the agent hash what it offers.",
    ]


def fleet(fleet: Fleet) -> list[str]:
    return [
        "## A fleet that boots at once",
        _fleet(fleet),
        f"{fleet.hosts:,} hosts with {fleet.kernels} kernels, each by the agent's own check-in, in one process beside the "
        f"server, {fleet.connections} requests under way at a time; then {fleet.dissenters} hosts whose archive has other "
        "bytes; then all of them again. A host that is told to wait asks again, which counts. Memory is the server's "
        f"resident set. {fleet.uploads['headers']} uploads of headers, {fleet.uploads['btf']} of BTF, "
        f"{len(fleet.wrong)} wrong answers.",
    ]


def growth(growth: Growth) -> list[str]:
    def rows(figures: list[Figure]) -> list[list[str]]:
        return [
            [figure.what, figure.unit, *(_number(statistics.median(figure.values[size])) for size in sizes)]
            # None where there is nothing with the fewest kernels.
            + (_ratio(figure.ratios) if figure.ratios else ["–", ""])
            for figure in figures
        ]

    sizes = sorted(growth.flat[0].values)
    header = ["", "unit"] + [f"{size:,} kernels" for size in sizes] + ["ratio", "spread"]
    disk = next(figure.values for figure in growth.linear if figure.what == "on disk")
    steps = [1e6 * (disk[b][0] - disk[a][0]) / (b - a) for a, b in zip(sizes, sizes[1:])]
    added = "; ".join(f"from {a:,} to {b:,} {step:,.0f}" for a, b, step in zip(sizes, sizes[1:], steps))
    slopes = "; ".join(f"{figure.what} {figure.slope * 1000:,.2f} {figure.unit}" for figure in growth.linear if figure.unit)
    return [
        "## Growth",
        table(header, rows(growth.flat)),
        f"Each kernel on the way added, in bytes on disk: {added}.",
        "What may grow with the number of kernels:",
        table(header, rows(growth.linear)),
        f"A thousand further kernels add: {slopes}.",
        f"Made-up kernels in {growth.lines} lines of descent from the newest Debian kernel of each series, with {growth.files} "
        f"files and {growth.bytes / 1e6:.1f} MB each ({growth.part}); of these, revisions and flavours change as large a part as "
        f"Debian's do. One server grows through all sizes. Each of {growth.rounds} rounds takes the sizes in turn, with a copy of "
        f"what it was then: a start, {ASKED} cold requests and 200 hot ones of each kind, first bundles (`tar.zst`) of the newest, "
        f"middle and oldest kernels, {growth.added} further kernels. Figures are medians of the rounds; CPU is the server's, for "
        "each request; a ratio is of the most kernels to the fewest in the same round. *Read* is all that the server asks its system "
        "for, from the page cache, too, and a bundle on its way out. What the server would do by itself in the background is off. "
        "The nearer a line's trees are to the 3 × their bytes that reading one may decompress, the older are the versions that "
        "new ones are compressed with: bundles cost more then, up to that bound, and further kernels some bytes more."
        + "".join(f"\n- Wrong: {problem}" for problem in growth.problems),
    ]


def _ratio(ratios: list[float]) -> list[str]:
    return [f"**{statistics.median(ratios):.2f}**", f"{min(ratios):.2f} – {max(ratios):.2f}"]


def _number(value: float) -> str:
    return f"{value:,.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def _totals(storage: Storage) -> str:
    tar, xz = storage.tar, sum(step.xz for step in storage.steps)
    disks: list[tuple[str, int, Disk | None]] = [
        (f"raw tar, {len(storage.steps)} kernels", tar, None),
        ("sum of `.tar.xz`", xz, None),
        ("solid limit", storage.solid, None),
        ("**kheaderd**, after ingest", storage.disk.bytes, storage.disk),
    ]
    if storage.repacked:
        disks.append(("**kheaderd**, after the repack", storage.repacked.bytes, storage.repacked))
    disks += [(label, disk.bytes, disk) for label, disk in storage.peers.items()]
    rows = [
        [label, f"{size:,}", f"{disk.allocated:,}" if disk else "", f"{tar / size:.1f}", f"{xz / size:.2f}"]
        + [f"{size / storage.solid:.2f}"]
        for label, size, disk in disks
    ]
    header = ["", "bytes of files", "allocated on disk", "raw / it", "`.tar.xz` / it", "it / solid limit"]
    return table(header, rows)


def _steps(storage: Storage) -> str:
    names = list(storage.steps[0].peers)
    rows = [
        [step.release, f"{step.files:,}", f"{step.tar:,}", f"{step.xz:,}", f"**{step.added:,}**", f"{step.packs:,}"]
        + [f"{step.peers[name]:,}" for name in names]
        for step in storage.steps
    ]
    return table(["kernel", "files", "tar", "`.tar.xz`", "kheaderd", "of it packs"] + names, rows)


def _costs(costs: list[Cost]) -> str:
    rows = [
        [
            cost.what,
            f"{statistics.median(cost.seconds):.2f}",
            *_ratio(cost.ratios),
            f"{LIMIT:.2f}",
            str(len(cost.ratios)),
        ]
        for cost in costs
    ]
    return table(["upload", "CPU s of the server", "ratio to hashing", "spread", "at most", "rounds"], rows)


def _memories(memories: list[Memory]) -> str:
    rows = [[_mb(memory.tar), _mb(memory.idle), f"**{_mb(memory.peak)}**"] for memory in memories]
    return table(["tar", "peak before it", "peak after it"], rows)


def _fetches(fetches: list[Comparison]) -> str:
    header = ["", "wall s", "peer", "its wall s", "wall ratio", "spread", "at most", "CPU ratio", "spread", "at most"]
    rows = []
    for fetch in fetches:
        row = [fetch.what, _median(fetch.ours), fetch.peer, _median(fetch.theirs)]
        for quantity, limit in [("wall", fetch.wall_limit), ("cpu", fetch.cpu_limit)]:
            ratios = fetch.ratios(quantity)
            row += _ratio(ratios)
            row.append("" if limit is None else f"{limit:.2f}")
        rows.append(row)
    return table(header, rows)


def _agents(agents: list[Comparison]) -> str:
    header = ["", "peer", "CPU ratio", "spread", "at most", "memory", "its memory", "ratio", "at most"]
    rows = []
    for agent in agents:
        ratios = agent.ratios("cpu")
        rows.append(
            [
                agent.what,
                agent.peer,
                *_ratio(ratios),
                _limit(agent.cpu_limit),
                _mb(statistics.median(agent.our_memories)),
                _mb(statistics.median(agent.their_memories)),
                f"**{agent.memory_ratio:.2f}**",
                _limit(agent.memory_limit),
            ]
        )
    return table(header, rows)


def verify(verify: Verified) -> list[str]:
    rows = [
        ["the packs", _mb(verify.disk), *_ratio(verify.of_disk)],
        ["the packs, and what is in them", _mb(verify.disk + verify.contents), *_ratio(verify.of_contents)],
    ]
    return [
        "## A verify of the store",
        table(["sha256sum of", "bytes", "ratio of CPU", "spread"], rows),
        f"{verify.kernels} kernels, {statistics.median(verify.seconds):.2f} s of the server's CPU for each of "
        f"{len(verify.seconds)} rounds, {_mb(int(verify.throughput))} hashed a second. A verify hashes each pack, unpacks each "
        "block and manifest in it, and hashes each file; sha256sum runs right before it.",
    ]


def lists(pages: list[Page]) -> list[str]:
    rows = [
        [
            f"`{page.query}`" if page.query else "all",
            f"{page.kernels:,}",
            f"{statistics.median(page.own):.1f}",
            f"{p99(page.own):.1f}",
            f"**{page.p99_ratio:.1f}**",
            f"{page.median_ratio:.1f}",
        ]
        for page in pages
    ]
    header = ["query", "kernels on the page", "median ms", "p99 ms", "p99 to `/livez`'s", "median to `/livez`'s"]
    return [
        f"## The list of {KERNELS:,} kernels",
        table(header, rows),
        f"The first page of `GET /v1/kernels`, with {HOSTS:,} hosts, {len(pages[0].own)} requests each, one of `/livez` before "
        "each on the same connection.",
    ]


def serve(serve: Served) -> list[str]:
    def ratio(ratios: list[float]) -> list[str]:
        return _ratio(ratios) if ratios else ["", ""]

    rows = [
        [hit.name, f"{statistics.median(hit.own):,.0f}", *ratio(hit.to_nginx), f"{hit.limit:.2f}",
         *ratio(hit.to_debuginfod), f"{DEBUGINFOD_LIMIT:.2f}" if hit.to_debuginfod else ""]
        for hit in serve.hits
    ]
    header = ["answer", "CPU µs", "to nginx", "spread", "at most", "to debuginfod", "spread", "at most"]
    return [
        "## Serving",
        table(header, rows),
        f"CPU of the server's process for each answer, on 8 connections of `wrk`, and its ratio to a peer's with the same bytes "
        f"right after it; the median of {len(serve.hits[0].own)} rounds. nginx has one process, `sendfile` and no log. The bundle "
        f"has {serve.bundle:,} bytes. Resident memory, with files in memory, {_mb(serve.memory_before)} after the first "
        f"round, {_mb(serve.memory_after)} after {serve.requests:,} further requests. What the server would do by itself in the "
        "background is off.",
    ]


def pch(pchs: list[Precompiled]) -> list[str]:
    header = ["", "CPU s with headers", "with the PCH", "times faster", "spread", "at least", "at most"]
    rows = [
        [
            pch.what + (", loaded" if pch.loaded else ""),
            f"{statistics.median(run.cpu for run in pch.theirs):.3f}",
            f"{statistics.median(run.cpu for run in pch.ours):.3f}",
            f"**{statistics.median(pch.gains):.1f}**",
            f"{min(pch.gains):.1f} – {max(pch.gains):.1f}",
            "" if pch.least is None else f"{pch.least:.1f}",
            "" if pch.most is None else f"{pch.most:.1f}",
        ]
        for pch in pchs
    ]
    return [
        "## What a PCH saves",
        table(header, rows),
        "CPU, user and system, of the whole process and its children; one run with the headers right before each with the PCH, "
        "the median of all rounds. *parsed* is `-fsyntax-only`, *bitcode* `-O2 -g -emit-llvm`, with the flags of "
        "`kheader flags` and of `kheader pch`, by the umbrella that fits. *stock bcc* is Debian's `python3-bpfcc` from start to "
        "end, by `kheader exec` and by `kheader exec --pch`, which hashes the PCH each time. *At most* is what would be left "
        "with the same compiler, flags, and an empty file without any header: its own start. The programs are in "
        "`Tests/Benchmarks/programs`.",
    ]


def _limit(limit: float | None) -> str:
    return "" if limit is None else f"{limit:.2f}"


def _fleet(fleet: Fleet) -> str:
    rows = []
    for what, wave in fleet.waves.items():
        memories = [wave["memoryBefore"]] + wave["memoryByQuarters"]
        rows.append(
            [
                what,
                f"{wave['checkIns']:,}",
                f"{wave['checkInsPerSecond']:,.0f}",
                f"**{wave['serverCPUMicroseconds']:.0f}**",
                f"{wave['p50Milliseconds']:.1f}",
                f"{wave['p99Milliseconds']:.1f}",
                f"{_mb(memories[0])} → {_mb(memories[-1])}",
                f"{wave['coresForAMillionInTenMinutes']:.2f}",
            ]
        )
    header = ["", "check-ins", "a second", "server CPU µs each", "p50 ms", "p99 ms", "memory", "cores for 1 M in 10 min"]
    return table(header, rows)


def _median(runs: list) -> str:
    return f"{statistics.median(run.wall for run in runs):.3f}"


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, its columns as wide as they must be, numbers to the right."""
    widths = [max(len(row[column]) for row in [header] + rows) for column in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if column else "-" * width for column, width in enumerate(widths)]
    return "\n".join([line(header), line(rule)] + [line(row) for row in rows])
