#!/usr/bin/env python3
"""A server with a fleet in it, to click through. `make demo-fleet` builds the programs and runs this.

  Tests/Demo/fleet.py [--hosts N] [--kernels N] [--port N] BINARIES PACKAGES [COMMAND...]

Two kernels are a distribution's own, out of PACKAGES; the others are made of the first one's headers. Hosts report as agents
do, and upload what the server asks them to. Among the kernels are a conflict, three without headers, with what agents found,
two builds under one release, and one whose headers do not compile.

Serves until Ctrl-C; with a COMMAND until that ends, which gets the server's URL in KHEADER_URLS. Leaves nothing behind.
"""
import argparse
import concurrent.futures
import hashlib
import http.client
import io
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse

PLACES = ["sysfs", "loaded-module", "module-file", "modules-folder", "source-folder"]
# What a small program includes; the made-up kernels have these headers and what they include in turn.
ROOTS = ["include/linux/kconfig.h", "include/linux/compiler_types.h", "include/linux/sched.h"]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Server:
    def __init__(self, program, folder, port):
        self.process = subprocess.Popen(
            [program, "serve", "--state", f"{folder}/state", "--listen", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE, stderr=open(f"{folder}/log", "w"), text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("KHEADER")})
        line = self.process.stdout.readline().split()
        if line[:2] != ["listening", "on"]:
            raise SystemExit(f"The server did not start:\n{open(f'{folder}/log').read()}")
        self.url = line[2]
        self.local = threading.local()

    def ask(self, method, path, body=None, fields={}):
        """Status, and the answer's body; one connection a thread."""
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=600)
        self.local.connection.request(method, path, body, fields)
        answer = self.local.connection.getresponse()
        return answer.status, answer.read()

    def get(self, path):
        status, body = self.ask("GET", path)
        if status != 200:
            raise SystemExit(f"GET {path}: {status} {body.decode(errors='replace')}")
        return body

    def json(self, path):
        return json.loads(self.get(path))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Kernel:
    """A made-up kernel, and what its hosts have of it."""

    def __init__(self, number, release, version, headers=None, btf=True, machine="x86_64"):
        self.id = hashlib.sha1(f"demo kernel {number}".encode()).hexdigest()
        self.identity = {
            "buildID": self.id, "release": release, "versionLine": version, "architecture": machine, "hasBTF": btf}
        self.headers = headers
        self.btf = small_btf(release) if btf else None
        self.steps = [{"origin": "sysfs", "outcome": "usable"}] + [
            {"origin": place, "outcome": "not-needed"} for place in PLACES[1:]]

    def sighting(self, host, headers):
        offers = []
        if headers:
            offers.append({"artefact": "headers", "origin": "sysfs", "bytes": len(headers),
                           "digest": hashlib.sha256(headers).hexdigest()})
        if self.btf:
            offers.append({"artefact": "btf", "bytes": len(self.btf), "digest": hashlib.sha256(self.btf).hexdigest()})
        name = hashlib.md5(f"demo host {host}".encode()).hexdigest()
        return {"host": name, "bootID": f"boot of {name}", "agent": "kheader-agent/0.1.0", "kernel": self.identity,
                "steps": self.steps, "offers": offers}

    def report(self, server, host, headers=None):
        """As an agent: says what there is, and uploads what is wanted."""
        headers = headers or self.headers
        sighting = json.dumps(self.sighting(host, headers))
        status, body = server.ask(
            "POST", f"/v1/kernels/{self.id}/sightings", sighting, {"Content-Type": "application/json"})
        if status != 200:
            raise SystemExit(f"A report was refused: {status} {body.decode()}")
        for verdict in json.loads(body)["verdicts"]:
            if verdict["answer"] != "upload":
                continue
            path = f"/v1/kernels/{self.id}/{verdict['artefact']}"
            query = {"source": "agent", "origin": "sysfs"} | {
                name: self.identity[name] for name in ("release", "versionLine", "architecture")}
            bytes = headers if verdict["artefact"] == "headers" else self.btf
            path += "?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote) if verdict["artefact"] == "headers" else ""
            status, body = server.ask("PUT", path, bytes, {"Kheaderd-Claim": verdict["claim"]})
            if status not in (200, 201):
                raise SystemExit(f"An upload was refused: {status} {body.decode()}")


def small_btf(name):
    """Raw BTF with one type, and a name that makes it this kernel's."""
    strings = b"\0int\0" + name.encode() + b"\0"
    types = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def closure(tree):
    """The files that ROOTS lead to, whatever the conditions around an #include."""
    folders = ["arch/x86/include", "arch/x86/include/generated", "include", "arch/x86/include/uapi",
               "arch/x86/include/generated/uapi", "include/uapi", "include/generated/uapi"]
    found, left = set(), list(ROOTS)
    while left:
        path = left.pop()
        if path in found or path not in tree:
            continue
        found.add(path)
        for kind, name in re.findall(rb'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', tree[path], re.M):
            name = name.decode(errors="replace")
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            left += ([beside] if kind == b'"' else []) + [os.path.normpath(f"{folder}/{name}") for folder in folders]
    return {path: tree[path] for path in found} | {
        path: bytes for path, bytes in tree.items() if path.startswith("include/generated/") and bytes}


def pack(tree):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(tree):
            entry = tarfile.TarInfo(f"./{path}")
            entry.size = len(tree[path])
            archive.addfile(entry, io.BytesIO(tree[path]))
    return buffer.getvalue()


def revision(tree, release, number):
    """The headers of another build: other versions in them, and a few files that are not the same."""
    changed = dict(tree)
    changed["include/generated/utsrelease.h"] = f'#define UTS_RELEASE "{release}"\n'.encode()
    for path in sorted(tree)[number % 7::97]:
        changed[path] = tree[path] + f"/* changed in revision {number} */\n".encode()
    return changed


def make_kernels(base, count):
    kernels = []
    for number in range(count):
        flavour = ["amd64", "cloud-amd64", "rt-amd64"][number % 3]
        release = f"6.1.0-{20 + number // 3}-{flavour}"
        version = f"#1 SMP PREEMPT_DYNAMIC Debian 6.1.{60 + number // 3}-1 (2026-0{1 + number // 3 % 9}-11)"
        tree = None
        if number == 2:  # does not compile
            tree = revision(base, release, number)
            tree["include/linux/sched.h"] = b'#include <asm/no-such-file.h>\n' + tree["include/linux/sched.h"]
        elif number == 3:  # built again under the release of another one
            release, version = f"6.1.0-20-amd64", "#2 SMP PREEMPT_DYNAMIC acme 6.1.60-1acme1 (2026-03-02)"
        elif number == 5:
            release, version = "6.1.60-acme-trace", "#1 SMP acme-kernel-team@builder-7"
        kernels.append(Kernel(number, release, version, pack(tree or revision(base, release, number)), btf=number % 6 != 4))
    damaged = "12 files of the package are missing, the first of them include/generated/autoconf.h; " \
              "configuration management has removed them. Install linux-headers again."
    for number, places in [
        (7, {"sysfs": "missing", "loaded-module": "module-refused", "module-file": "missing",
             "modules-folder": ("damaged", damaged), "source-folder": ("damaged", damaged)}),
        (11, {place: "missing" for place in PLACES} | {"loaded-module": ("not-permitted", "The agent may not load modules.")}),
        (13, {place: "missing" for place in PLACES} | {"source-folder": ("another-kernel", "It is of 6.1.0-21-amd64.")}),
    ]:
        if number < count:
            kernels[number].headers = None
            kernels[number].steps = [
                {"origin": place, "outcome": outcome} if isinstance(outcome, str)
                else {"origin": place, "outcome": outcome[0], "detail": outcome[1]}
                for place, outcome in ((place, places[place]) for place in PLACES)]
    return kernels


def fill(server, options):
    say("Importing the distribution's kernels")
    packages = [f"{options.packages}/{name}" for name in os.listdir(options.packages) if name.endswith(".deb")]
    subprocess.run([f"{options.binaries}/kheader", "import", "--server", server.url, *packages], check=True,
                   stdout=subprocess.DEVNULL)
    real = [kernel for kernel in server.json("/v1/kernels")["kernels"] if "treeDigest" in kernel]
    say("Making kernels of their headers")
    archive = tarfile.open(fileobj=io.BytesIO(server.get(f"/buildid/{real[0]['buildID']}/headers.tar")))
    tree = {entry.name.removeprefix("./"): archive.extractfile(entry).read() for entry in archive if entry.isfile()}
    kernels = make_kernels(closure(tree), options.kernels - len(real))
    own = []
    for number, kernel in enumerate(real):
        host = Kernel(f"real {number}", kernel["release"], kernel.get("versionLine", ""), btf=False)
        host.id = host.identity["buildID"] = kernel["buildID"]
        own.append(host)

    say(f"{options.hosts} hosts report")
    # Few kernels run on most hosts, and of most the headers are here. Three hosts come later.
    everyone = own + kernels
    weights = [1 / (1 + rank) for rank in range(len(everyone))]
    random.Random(7).shuffle(weights)
    weights = [weight if kernel.headers or kernel in own else 0.05 for kernel, weight in zip(everyone, weights)]
    rest = random.Random(8).choices(everyone, weights, k=max(0, options.hosts - len(everyone) - 3))
    hosts = list(enumerate(everyone + rest))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        # One host of each kernel first: it uploads.
        for part in (hosts[:len(everyone)], hosts[len(everyone):]):
            for _ in pool.map(lambda item: item[1].report(server, item[0]), part, chunksize=16):
                pass
        # Three hosts whose headers something has changed.
        victim = next(kernel for kernel in kernels if kernel.headers)
        for host in range(3):
            victim.report(server, f"changed {host}", victim.headers[:-1024] + b"\1" * 1024)

    say("The server compiles a small program with each kernel's headers")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        states = [kernel.get("smoke", {}) for kernel in server.json("/v1/kernels")["kernels"] if "treeDigest" in kernel]
        if all(smoke.get("state") != "untried" for smoke in states) or "off" in server.json("/v1/toolchains"):
            break
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--kernels", type=int, default=40)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("binaries")
    parser.add_argument("packages")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="kheaderd-fleet.")
    server = None
    try:
        server = Server(f"{options.binaries}/kheaderd", folder, options.port)
        fill(server, options)
        if options.command:
            sys.exit(subprocess.run(options.command, env=os.environ | {"KHEADER_URLS": server.url}).returncode)
        say("Look at it in a browser; Ctrl-C ends it:")
        print(server.url, flush=True)
        server.process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


main()
