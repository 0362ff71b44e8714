"""Makes the archive that a kernel with CONFIG_IKHEADERS would carry, out of a distribution's header packages.

Debian's kernels carry none. This follows the kernel's own kernel/gen_kheaders.sh: the `*.h` of include/ and of the
architecture's include/, the object tree's over the source tree's, without utsversion.h, comments but SPDX lines
stripped, owners and times normalised, `xz -6` in one thread.
"""

import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

COMMENT = re.compile(rb"/\*((?!SPDX).)*?\*/", re.DOTALL)
GENERATED = re.compile(r"arch/([^/]+)/include/generated/")

# A file's contents, or a link's target.
Tree = dict[str, bytes | str]


def merge(packages: list[Path]) -> Tree:
    """The headers of the packages by path, later packages over earlier ones."""
    headers: Tree = {}
    architecture = None
    for package in packages:
        for path, content in _source_files(package):
            headers[path] = content
            if match := GENERATED.match(path):
                architecture = match[1]
    wanted = ("include/", f"arch/{architecture}/include/")
    return {path: content for path, content in sorted(headers.items()) if path.startswith(wanted)}


def _source_files(package: Path):
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
        for entry in tar:
            path = entry.name.removeprefix("./")
            if not path.startswith("usr/src/") or not path.endswith(".h") or path.endswith("/utsversion.h"):
                continue
            path = path.split("/", 3)[3]  # usr/src/linux-headers-…/
            if entry.issym():
                yield path, entry.linkname
            elif entry.isfile():
                yield path, COMMENT.sub(b"", tar.extractfile(entry).read())
    if process.wait() != 0:
        raise RuntimeError(f"dpkg-deb could not read {package}")


def write_tar(tree: Tree, output) -> None:
    for piece in packed((path, member(path, tree[path])) for path in sorted(tree)):
        output.write(piece)


def packed(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """A tar as the kernel's own script packs it: `./` before each name, folders before what is in them.

    Takes each path and its `member`, in order of path.
    """
    known, length = set(), 0
    for path, piece in members:
        parts = path.split("/")
        # The folders above it, outermost first; the tree's own is the empty path.
        new = [folder for count in range(len(parts)) if (folder := "/".join(parts[:count])) not in known]
        known.update(new)
        for piece in [member(folder, None) for folder in new] + [piece]:
            length += len(piece)
            yield piece
    length += 2 * tarfile.BLOCKSIZE
    yield bytes(2 * tarfile.BLOCKSIZE + -length % tarfile.RECORDSIZE)


def member(path: str, content: bytes | str | None) -> bytes:
    """What a tar has of a file, a link or (None) a folder."""
    entry = tarfile.TarInfo("./" + path)
    entry.mtime, data = 1_700_000_000, b""
    if content is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    elif isinstance(content, str):
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, content
    else:
        entry.mode, entry.size, data = 0o644, len(content), content
    return entry.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def write_archive(packages: list[Path], destination: Path) -> None:
    """Writes the `.tar.xz`; it has its name only once it is whole."""
    temporary = destination.with_suffix(".part")
    with open(temporary, "wb") as file:
        xz = subprocess.Popen(["xz", "-6", "-T1", "-c"], stdin=subprocess.PIPE, stdout=file)
        write_tar(merge(packages), xz.stdin)
        xz.stdin.close()
        if xz.wait() != 0:
            raise RuntimeError("xz failed")
    temporary.rename(destination)


def read_tar(stream) -> Tree:
    """What a tar holds but folders: the inverse of `write_tar`."""
    tree: Tree = {}
    with tarfile.open(fileobj=stream, mode="r|*") as tar:
        for entry in tar:
            path = entry.name.removeprefix("./")
            if entry.issym():
                tree[path] = entry.linkname
            elif entry.isfile():
                tree[path] = tar.extractfile(entry).read()
    return tree
