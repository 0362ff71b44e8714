"""What a page of the kernels' list costs with 100,000 kernels and a million hosts, against the same server's `/livez`."""

import http.client
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from server import Server

KERNELS = 100_000
HOSTS = 1_000_000

# When the oldest of the made-up kernels were last reported, and how long after that the newest: seconds.
FIRST_REPORT = 1_700_000_000
REPORTED_FOR = 4_001

QUERIES = [
    "", "sort=lastSeen", "sort=firstSeen", "sort=hosts", "sort=hosts&order=asc", "release=6.2.3-16-amd64",
    "releaseGlob=6.1*", "releaseGlob=*-7-*", "architecture=aarch64", "distribution=debian", "headers=false",
    "headers=true", "btf=false", "btf=true", "pch=true", "source=agreed", "conflict=true", "pinned=true", "running=true",
    "purged=true", f"seenSince={FIRST_REPORT + REPORTED_FOR - 100}", f"seenSince={FIRST_REPORT + REPORTED_FOR}",
]  # fmt: skip


@dataclass
class Page:
    """One query's first page, milliseconds; a request of `/livez` goes before each."""

    query: str
    kernels: int  # on the page
    own: list[float]
    livez: list[float]

    @property
    def p99_ratio(self) -> float:
        return p99(self.own) / p99(self.livez)

    @property
    def median_ratio(self) -> float:
        return statistics.median(self.own) / statistics.median(self.livez)


def measure(binaries: Path, requests: int) -> list[Page]:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with Server(binaries, state):
            pass
        fill(state / "catalogue.sqlite")
        with Server(binaries, state) as server:
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
            return [page(connection, query, requests) for query in QUERIES]


def page(connection: http.client.HTTPConnection, query: str, requests: int) -> Page:
    result = Page(query, 0, [], [])
    for _ in range(requests):
        result.livez.append(ask(connection, "/livez")[0])
        milliseconds, body = ask(connection, f"/v1/kernels?{query}" if query else "/v1/kernels")
        result.own.append(milliseconds)
    result.kernels = body.count(b'"buildID"')
    return result


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, bytes]:
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    return (time.perf_counter() - began) * 1000, body


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def fill(catalogue: Path) -> None:
    """Kernels and hosts as a fleet's would be: most values common, some rare, one that nobody has (a PCH)."""
    with sqlite3.connect(catalogue) as database:
        database.execute(
            """INSERT INTO report (id, digest, steps) VALUES (1, x'01', '[{"origin":"sysfs","outcome":"missing"}]')"""
        )
        database.execute(
            """
            WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :kernels)
            INSERT INTO sighted (id, buildID, release, architecture, hasBTF, firstSeen, lastSeen, hosts, distribution,
                trust, btf, pch, conflicts, pinnedAt, purgedAt)
            SELECT n + 1, CAST(printf('%020d', n * 7919 % 1000003) AS BLOB),
                CASE n % 50 WHEN 0 THEN '' ELSE printf('6.%d.%d-%d-amd64', n % 13, n % 97, n / 4) END,
                CASE n % 10 WHEN 0 THEN 'aarch64' ELSE 'x86_64' END, n % 7 != 0, :first - 6000 + n * 31 % 5003,
                :first + n * 17 % :span, n % 20,
                CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'ubuntu' ELSE 'debian' END, NULL, 0, 0, 0,
                CASE n % 2000 WHEN 3 THEN 5 END, NULL
            FROM number
            """,
            {"kernels": KERNELS, "first": FIRST_REPORT, "span": REPORTED_FOR},
        )
        database.execute(
            """
            WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < :hosts)
            INSERT INTO host (id, kernel, bootID, agent, report, firstSeen, lastSeen)
            SELECT CAST(printf('%016d', n) AS BLOB), 1 + n * 13 % :kernels, 'boot', 'test/1', 1, 1, 2 FROM number
            """,
            {"kernels": KERNELS, "hosts": HOSTS},
        )
    database.close()
