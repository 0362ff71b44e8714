"""What an answer costs the server, against nginx with sendfile and debuginfod with the same bytes, under wrk."""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from debian_kernels import Kernel
from server import QUIET, Server, cpu_seconds

# Over which memory is watched.
REQUESTS = 100_000
# Of a bundle, and of all that is small.
BUNDLE_LIMIT, SMALL_LIMIT, DEBUGINFOD_LIMIT = 1.25, 3.0, 0.4
SECTION = "`section/.BTF`, 64 kB"
CONNECTIONS = 8
# Of sightings, in turn.
HOSTS = 64


@dataclass
class Hit:
    """A kind of request; microseconds of CPU each, and ratios to each peer's in the same round."""

    name: str
    limit: float  # of the ratio to nginx
    own: list[float] = field(default_factory=list)
    to_nginx: list[float] = field(default_factory=list)
    to_debuginfod: list[float] = field(default_factory=list)


@dataclass
class Served:
    hits: list[Hit]
    bundle: int  # bytes
    requests: int  # after the first round
    memory_before: int
    memory_after: int  # resident bytes, after so many requests


@dataclass
class Case:
    """The same answer of each server, as what wrk is told."""

    name: str
    limit: float
    status: int
    urls: dict[str, str]
    script: str = ""
    method: str = "GET"


class Peer:
    """A process of ours, ended by its ID."""

    def __init__(self, command: list[str], log: Path):
        with open(log, "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def measure(binaries: Path, kernel: Kernel, archive: Path, rounds: int, seconds: int = 2) -> Served:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, btf = _image(folder)
        build_id = re.search(r"Build ID: ([0-9a-f]+)", _output("readelf", "-n", str(image))).group(1)
        with Server(binaries, folder / "state", QUIET) as server:
            server.push(archive, build_id)
            _put(f"{server.url}/v1/kernels/{build_id}/btf", btf)
            base = f"{server.url}/buildid/{build_id}"
            files = _mirror(folder / "www", base)
            peers: list[Peer] = []
            try:
                nginx, process = _nginx(folder)
                peers.append(process)
                debuginfod, process = _debuginfod(folder, image)
                peers.append(process)
                _await(f"{nginx}/headers.tar.zst")
                _await(f"{debuginfod}/buildid/{build_id}/section/.BTF")
                pids = {"own": server.pid, "nginx": peers[0].process.pid, "debuginfod": peers[1].process.pid}
                cases = _cases(base, nginx, f"{debuginfod}/buildid", build_id)
                return _rounds(cases, pids, folder, rounds, seconds, files["headers.tar.zst"], server)
            finally:
                for peer in peers:
                    peer.end()


def _rounds(
    cases: list[Case], pids: dict[str, int], folder: Path, rounds: int, seconds: int, bundle: int, server: Server
) -> Served:
    for case in cases:
        _expect_the_same(case)
    hits = [Hit(case.name, case.limit) for case in cases]
    requests, before = 0, 0
    for number in range(rounds + 1):
        for case, hit in zip(cases, hits, strict=True):
            costs = {}
            for peer, url in case.urls.items():
                count, costs[peer] = _load(pids[peer], url, case, folder, seconds)
                requests += count if peer == "own" and number else 0
            # The first round warms up.
            if number:
                hit.own.append(costs["own"])
                hit.to_nginx.append(costs["own"] / costs["nginx"])
                if "debuginfod" in costs:
                    hit.to_debuginfod.append(costs["own"] / costs["debuginfod"])
        if number == 0:
            before = server.resident_memory
    small = next(case for case in cases if case.name == SECTION)
    while requests < REQUESTS:
        requests += _load(pids["own"], small.urls["own"], small, folder, seconds * 2)[0]
    return Served(hits, bundle, requests, before, server.resident_memory)


def _expect_the_same(case: Case) -> None:
    """That plain requests get the same bytes from each server."""
    if case.status == 200 and case.method == "GET" and not case.script:
        answers = []
        for url in case.urls.values():
            with urllib.request.urlopen(url) as answer:
                answers.append((answer.status, answer.read()))
        if any(answer != answers[0] or answer[0] != 200 for answer in answers):
            raise RuntimeError(f"{case.name}: the servers' answers differ")


def _load(pid: int, url: str, case: Case, folder: Path, seconds: int) -> tuple[int, float]:
    """Requests that were answered, and microseconds of the process's CPU for each."""
    if case.method == "HEAD":
        before = cpu_seconds(pid)
        count = _heads(url, seconds)
        return count, (cpu_seconds(pid) - before) / count * 1e6
    script = folder / "request.lua"
    # Whatever is not what is expected counts as a mistake, and wrk says so. Where good answers are expected it counts those
    # above 399 by itself: to show a script each answer it would hold the whole body, and be slower than any server.
    watched = "" if case.status == 200 else (
        f"function response(status) if status ~= {case.status} then wrong = wrong + 1 end end\n"
    )
    others = "summary.errors.status" if case.status == 200 else "0"
    script.write_text(
        f"{case.script.replace('URL_TAG', _tag(url)) if 'URL_TAG' in case.script else case.script}\n"
        f"wrong = 0\nlocal threads = {{}}\nfunction setup(thread) table.insert(threads, thread) end\n{watched}"
        f"function done(summary) local n = {others}; for _, t in ipairs(threads) do n = n + t:get('wrong') end\n"
        "io.write(string.format('ANSWERS %d WRONG %d\\n', summary.requests, n + summary.errors.read)) end\n"
    )
    before = cpu_seconds(pid)
    output = _output("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url)
    used = cpu_seconds(pid) - before
    count, wrong = map(int, re.search(r"ANSWERS (\d+) WRONG (\d+)", output).groups())
    if wrong or not count:
        raise RuntimeError(f"{case.name}: {wrong} of {count} answers of {url} were not {case.status}\n{output}")
    return count, used / count * 1e6


def _heads(url: str, seconds: int) -> int:
    """HEAD requests that were answered: wrk waits for the body that such an answer announces and has not."""
    parts = urllib.parse.urlsplit(url)
    request = f"HEAD {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    sockets = [socket.create_connection((parts.hostname, parts.port)) for _ in range(CONNECTIONS)]
    count, end = 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for connection in sockets:
                connection.sendall(request)
            for connection in sockets:
                answer = b""
                while not answer.endswith(b"\r\n\r\n"):
                    more = connection.recv(4096)
                    if not more:
                        raise RuntimeError(f"HEAD {url}: the connection ended")
                    answer += more
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"HEAD {url}: {answer!r}")
                count += 1
    finally:
        for connection in sockets:
            connection.close()
    return count


def _cases(base: str, nginx: str, debuginfod: str, build_id: str) -> list[Case]:
    unknown = "0" * 40

    def case(name: str, path: str, limit: float = SMALL_LIMIT, status: int = 200, script: str = "") -> Case:
        return Case(name, limit, status, {"own": f"{base}/{path}", "nginx": f"{nginx}/{path}"}, script)

    source = "source/include/linux/sched.h"
    tag = 'wrk.headers["If-None-Match"] = \'URL_TAG\''
    section = case(SECTION, "section/.BTF")
    head = case("HEAD of the bundle", "headers.tar.zst")
    head.method = "HEAD"
    sighting = case("a sighting that says nothing new", "", script=_sightings(build_id))
    sighting.urls = {"own": f"{base.rpartition('/buildid/')[0]}/v1/kernels/{build_id}/sightings", "nginx": f"{nginx}/sightings"}
    section.urls["debuginfod"] = f"{debuginfod}/{build_id}/section/.BTF"
    missing = case("404, unknown build ID", "", status=404)
    missing.urls = {
        "own": f"{base.rpartition('/')[0]}/{unknown}/section/.BTF", "nginx": f"{nginx}/{unknown}",
        "debuginfod": f"{debuginfod}/{unknown}/section/.BTF",
    }
    return [
        case("`source/include/linux/sched.h`", source),
        case("hot bundle, `headers.tar.zst`", "headers.tar.zst", BUNDLE_LIMIT),
        case("304 of the bundle", "headers.tar.zst", status=304, script=tag),
        case("`manifest.json`", "manifest.json"),
        section, missing, case("404, unknown path of a tree", "source/include/linux/absent.h", status=404), head, sighting,
    ]


def _sightings(build_id: str) -> str:
    """What wrk is told, to post the reports of some hosts in turn; all of them offer what the server has."""
    bodies = [
        json.dumps({
            "host": f"{number:032x}", "bootID": "5a8d4c0e-6f4b-4a53-9d5e-0c6a3a1b2c3d", "agent": "kheader-agent/1.0",
            "kernel": {"buildID": build_id, "release": "6.1.0-57-amd64", "architecture": "x86_64", "hasBTF": True},
            "steps": [{"origin": "sysfs", "outcome": "usable"}],
            "offers": [{"artefact": "headers", "origin": "sysfs", "bytes": 4000000}],
        })
        for number in range(HOSTS)
    ]
    return (
        f"local bodies = {{ {', '.join(f'[[{body}]]' for body in bodies)} }}\nlocal turn = 0\n"
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"request = function() turn = turn % {HOSTS} + 1; return wrk.format(nil, nil, nil, bodies[turn]) end\n"
    )


def _mirror(www: Path, base: str) -> dict[str, int]:
    """The bytes that our server has, as files for nginx."""
    sizes = {}
    for path in ["headers.tar.zst", "manifest.json", "source/include/linux/sched.h", "section/.BTF"]:
        file = www / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(f"{base}/{path}") as answer:
            file.write_bytes(answer.read())
        sizes[path] = file.stat().st_size
    return sizes


def _image(folder: Path) -> tuple[Path, bytes]:
    """An executable with a build ID and BTF in it, and the BTF: an integer type, and names."""
    types = struct.pack("<4I", 1, 1 << 24, 4, 1 << 24 | 32)
    names = b"\0int\0" + b"".join(b"name%08d\0" % number for number in range(5000))
    btf = b"\x9f\xeb\1\0" + struct.pack("<5I", 24, 0, len(types), len(types), len(names)) + types + names
    (folder / "btf").write_bytes(btf)
    (folder / "images").mkdir()
    image = folder / "images" / "image"
    shutil.copy(shutil.which("true") or "/bin/true", image)
    subprocess.run(["objcopy", "--add-section", f".BTF={folder / 'btf'}", str(image)], check=True)
    image.chmod(0o755)
    return image, btf


def _nginx(folder: Path) -> tuple[str, Peer]:
    port = _free_port()
    temporary = "".join(
        f"{kind}_temp_path {folder}/nginx-{kind}; " for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;\n"
        f"events {{ }}\nhttp {{ {temporary}access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}/www;\n"
        # As many bytes as our answer to a sighting has.
        f"location = /sightings {{ default_type application/json; return 200 '{'x' * 150}'; }} }} }}\n"
    )
    folder.chmod(0o755)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return f"http://127.0.0.1:{port}", Peer([program, "-c", f"{folder}/nginx.conf"], folder / "nginx.out")


def _debuginfod(folder: Path, image: Path) -> tuple[str, Peer]:
    port = _free_port()
    command = ["debuginfod", "-p", str(port), "-d", ":memory:", "-t", "0", "-F", str(image.parent)]
    return f"http://127.0.0.1:{port}", Peer(command, folder / "debuginfod.log")


def _await(url: str) -> None:
    """Neither peer says when it is ready: curl asks again, until it is."""
    again = ["--retry", "30", "--retry-delay", "1", "--retry-all-errors"]
    subprocess.run(["curl", "-sSf", "-o", os.devnull, *again, url], stderr=subprocess.DEVNULL, check=True)


def _tag(url: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
        return answer.headers["ETag"]


def _put(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT")) as answer:
        json.load(answer)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
