"""Kernels that descend from real ones as a distribution's revisions and flavours do: always the same ones."""

import copy
import hashlib
import random
import re
from dataclasses import dataclass, field
from itertools import accumulate

from kheaders_archive import Tree, member, packed

RELEASE = "include/generated/utsrelease.h"
PACKAGE = "include/generated/package.h"
VERSION = "include/generated/uapi/linux/version.h"
# What belongs to a build and not to the source.
GENERATED = "include/generated/"
NUMBER = re.compile(rb"\b[1-9][0-9]*\b")
NAME = re.compile(rb"\b[a-z_][a-z0-9_]{5,}\b")

# Files that a revision changes besides those that carry its name: of a whole tree, Debian's change 3 to 130, the median 80
# of 6,400 (see Descent.scale).
CHANGES = (3, 80, 130)
# Files of a flavour that are not its revision's, beside autoconf.h: as Debian's cloud and rt have.
FLAVOURS = {"": 0, "cloud": 2, "rt": 18}


class File:
    """One content at one path."""

    __slots__ = ("content", "member", "digest")

    def __init__(self, path: str, content: bytes | str):
        self.content = content
        self.member = member(path, content)
        self.digest = hashlib.sha256(self.member).digest()


class Synthetic:
    """One made-up kernel."""

    def __init__(self, release: str, files: dict[str, File]):
        self.release = release
        self.build_id = hashlib.sha1(release.encode()).hexdigest()
        self.files = files
        self.digest = digest(files)

    @property
    def tar(self) -> bytes:
        return b"".join(packed((path, file.member) for path, file in sorted(self.files.items())))


def digest(files: dict[str, File]) -> bytes:
    """Of paths and contents."""
    return hashlib.sha256(b"".join(file.digest for _, file in sorted(files.items()))).digest()


@dataclass
class Line:
    """One distribution's builds of one series, the newest revision of it."""

    name: str
    series: str
    scale: float  # of the numbers of files, to a whole tree's
    files: dict[str, File]
    # What flavours add to files, by flavour and path: theirs for ever, whatever the revision does to the rest.
    own: dict[str, dict[str, bytes]]
    # Paths, those that change often first, and how often.
    paths: list[str] = field(default_factory=list)
    revision: int = 0
    flavours: list[str] = field(default_factory=list)  # of the revision, still to come
    born: int = 0


class Descent:
    """Goes on for ever. Each kernel is the next revision of one of the lines, or another flavour of its newest."""

    def __init__(self, trees: dict[str, Tree], lines: int, whole: int, seed: int = 3):
        """Lines of descent from each tree, by its series; `whole` is how many files a tree has of which this is a part."""
        self.random = random.Random(seed)
        self.count = 0
        self.lines = []
        for number in range(lines):
            for series, tree in trees.items():
                files = {path: File(path, content) for path, content in tree.items()}
                self.lines.append(self._line(f"d{number}", series, len(tree) / whole, files))

    def _line(self, name: str, series: str, scale: float, files: dict[str, File]) -> Line:
        editable = sorted(
            path for path, file in files.items() if isinstance(file.content, bytes) and not path.startswith(GENERATED)
        )
        self.random.shuffle(editable)
        own: dict[str, dict[str, bytes]] = {}
        for flavour, count in FLAVOURS.items():
            own[flavour] = {
                path: b"#define CONFIG_%s_%d %d\n" % (flavour.upper().encode(), index, self.random.randrange(1000))
                for index, path in enumerate(self.random.sample(editable, round(count * scale)))
            }
            if flavour:
                own[flavour]["include/generated/autoconf.h"] = b"#define CONFIG_%s 1\n" % flavour.upper().encode()
        line = Line(name, series, scale, files, own, editable)
        # Each distribution has patches of its own.
        if name != "d0":
            for path in self.random.sample(line.paths, round(200 * scale)):
                self._edit(line, path)
        return line

    def branch(self, seed: int) -> "Descent":
        """What might come next, instead of what will."""
        branch = copy.deepcopy(self)
        branch.random = random.Random(seed)
        return branch

    def next(self) -> Synthetic:
        line = self.lines[self.count % len(self.lines)] if self.count < len(self.lines) else self.random.choice(self.lines)
        if not line.flavours:
            self._revise(line)
        flavour = line.flavours.pop(0)
        release = f"{line.series}.{line.revision}-{line.name}{flavour and '-' + flavour}-amd64"
        files = dict(line.files)
        for path, addition in line.own[flavour].items():
            if path in files:
                files[path] = File(path, files[path].content + addition)
        files[RELEASE] = File(RELEASE, b'#define UTS_RELEASE "%s"\n' % release.encode())
        self.count += 1
        return Synthetic(release, files)

    def _revise(self, line: Line) -> None:
        """The next revision, with flavours now and then."""
        chance = self.random
        line.revision += 1
        line.flavours = [""] + [flavour for flavour in FLAVOURS if flavour and chance.random() < 0.25]
        line.files[PACKAGE] = File(PACKAGE, b'#define LINUX_PACKAGE_ID " %s %d"\n' % (line.name.encode(), line.revision))
        version = re.sub(rb"(LINUX_VERSION_(?:CODE|SUBLEVEL)) \d+", rb"\1 %d" % line.revision, line.files[VERSION].content)
        line.files[VERSION] = File(VERSION, version)
        low, middle, high = CHANGES
        weights = list(accumulate(1 / (rank + 5) for rank in range(len(line.paths))))
        changes = max(1, round(chance.triangular(low, high, middle) * line.scale))
        for path in sorted(set(chance.choices(line.paths, cum_weights=weights, k=changes))):
            self._edit(line, path)
        # A file comes or goes, once in some revisions.
        if chance.random() < 0.1:
            self._add(line)
        if chance.random() < 0.1:
            path = line.paths.pop(chance.randrange(len(line.paths)))
            del line.files[path]

    def _edit(self, line: Line, path: str) -> None:
        """A few lines of a file: a number becomes another, a declaration comes, or goes."""
        chance = self.random
        lines = line.files[path].content.split(b"\n")
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            index = chance.randrange(len(lines))
            kind = chance.random()
            if kind < 0.4:
                lines[index] = NUMBER.sub(lambda _: b"%d" % chance.randrange(1, 4096), lines[index], count=1)
            elif kind < 0.7 or len(lines) < 10:
                lines.insert(index, self._declaration(lines))
            else:
                del lines[index]
        line.files[path] = File(path, b"\n".join(lines))

    def _declaration(self, lines: list[bytes]) -> bytes:
        """A line like another one of the file, about something new."""
        like = lines[self.random.randrange(len(lines))]
        return NAME.sub(lambda match: match[0] + b"_%x" % self.random.randrange(4096), like) or b"struct s%x;" % (
            self.random.randrange(1 << 20)
        )

    def _add(self, line: Line) -> None:
        """A new file, which looks like one that is there."""
        like = self.random.choice(line.paths)
        line.born += 1
        path = f"{like.removesuffix('.h')}_{line.name}{line.born}.h"
        lines = [self._declaration(line.files[like].content.split(b"\n")) for _ in range(self.random.randrange(20, 200))]
        line.files[path] = File(path, b"\n".join(lines) + b"\n")
        line.paths.insert(self.random.randrange(len(line.paths)), path)
