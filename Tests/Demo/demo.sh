#!/usr/bin/env bash
# The main job, end to end, on real kernels: headers go in by build ID, a second kernel adds next to nothing, and both
# come out again as they were. `make demo` builds the programs and runs this.
#
#   Tests/Demo/demo.sh BINARIES PACKAGES
#
# BINARIES is the folder with kheaderd and kheader; PACKAGES is where kernel-packages.sh keeps its downloads.
# Exits 0 only if all was right. Leaves nothing running and no file but the downloads.
set -euo pipefail
export LC_ALL=C

usage="usage: demo.sh BINARIES PACKAGES"
binaries=$(cd "${1:?$usage}" && pwd)
packages=${2:?$usage}
here=$(cd "$(dirname "$0")" && pwd)
# Servers and settings of the caller's own must have no part in this.
unset "${!KHEADER@}"

work=$(mktemp -d "${TMPDIR:-/tmp}/kheaderd-demo.XXXXXX")
mkdir "$work/fetched"
server=
finish() {
    status=$?
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ $status -ne 0 ] && [ -s "$work/log" ]; then
        echo "The end of the server's log:" >&2
        tail -n 20 "$work/log" >&2
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

step() { printf '\n==> %s\n' "$*"; }
fail() { echo "demo: $*" >&2; exit 1; }
kheader() { "$binaries/kheader" "$@"; }
bytes() {
    awk -v count="$1" 'BEGIN {
        split("B kB MB GB", unit, " ")
        for (i = 1; count >= 1000 && i < 4; i++) count /= 1000
        printf (i > 1 ? "%.1f %s" : "%d %s"), count, unit[i]
    }'
}
grouped() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

# The server ------------------------------------------------------------------------------------------------------

start_server() {
    local line
    mkfifo "$work/ready"
    "$binaries/kheaderd" serve --state "$work/state" --listen 127.0.0.1:0 >"$work/ready" 2>"$work/log" &
    server=$!
    exec 3<"$work/ready"  # stays open, so that the server can always write to it
    read -r -t 60 line <&3 || fail "the server did not start."
    export KHEADER_URLS=${line##* }
    case $KHEADER_URLS in http://127.0.0.1:*) ;; *) fail "the server said: $line" ;; esac
}

stop_server() {
    local tries status=0
    kill -TERM "$server"
    for ((tries = 0; tries < 300; tries++)); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    [ $tries -lt 300 ] || fail "the server did not stop within 30 seconds."
    wait "$server" || status=$?
    server=
    [ $status -eq 0 ] || fail "the server stopped with status $status."
}

# One number of the store's status.
store() {
    kheader store status --format json | tr -d ' \n' | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# What the server's list says of a release (or a build ID): member $2 of its entry.
listed() {
    kheader kernels list --format json | tr -d ' \n' | sed 's/"[a-z]*":{[^{}]*}/"":""/g' \
        | grep -o '{[^{}]*}' | grep -F "\"$1\"" \
        | sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# What must come out, made without any of this project's code -------------------------------------------------------

# The folder under arch/ that the kernel was built for: the one with generated headers, among the names on stdin.
generated_architecture() { sed -n 's#.*arch/\([^/]*\)/include/generated/.*#\1#p' | sort -u; }

# Takes the headers out of a kernel's two packages, the flavour's own over those that all flavours share.
expect_packages() {
    local destination=$1 headers=$2 common=$3 package architecture
    architecture=$(dpkg-deb --contents "$headers" | generated_architecture)
    mkdir -p "$destination"
    for package in "$common" "$headers"; do
        # ./usr/src/linux-headers-…/ is stripped.
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$destination" --strip-components=4 --wildcards \
            --no-wildcards-match-slash --exclude='./usr/src/*/arch' --wildcards-match-slash './usr/src/*/include/*.h'
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$destination" --strip-components=4 --wildcards \
            "./usr/src/*/arch/$architecture/include/*.h"
    done
}

# The same from a host's source folder and build folder.
expect_folders() {
    local destination=$1 folder architecture
    shift
    architecture=$(cd -P "${!#}" && find arch -name '*.h' | generated_architecture)
    mkdir -p "$destination"
    for folder in "$@"; do
        (cd -P "$folder" && find include "arch/$architecture/include" -name '*.h' -print0 | tar -c --null -T -) \
            | tar -x -C "$destination"
    done
}

# Compares two trees: names, kinds, contents, targets of links.
compare() {
    diff -rq --no-dereference "$1" "$2" >"$work/difference" || {
        head -n 20 "$work/difference" >&2
        fail "$3 differs from what went in."
    }
}

# The running kernel's build ID: the note of type 3 (NT_GNU_BUILD_ID) and owner "GNU" in /sys/kernel/notes.
host_build_id() {
    [ -r /sys/kernel/notes ] || return 0
    od -An -v -tx1 -w4 /sys/kernel/notes | awk '
        function digit(character) { return index("0123456789abcdef", character) - 1 }
        function number(i,   digits, value, k) {  # a little-endian word
            split(word[i], digits, " ")
            for (k = 4; k >= 1; k--)
                value = value * 256 + 16 * digit(substr(digits[k], 1, 1)) + digit(substr(digits[k], 2, 1))
            return value
        }
        { word[NR] = $0 }
        END {
            for (i = 1; i + 2 <= NR; i += 3 + name + description) {
                name = int((number(i) + 3) / 4)
                description = int((number(i + 1) + 3) / 4)
                if (number(i + 2) != 3 || word[i + 3] !~ /47 4e 55 00/) continue
                for (k = 0; k < description; k++) id = id word[i + 3 + name + k]
                gsub(" ", "", id)
                print id
                exit
            }
        }'
}

# The tracing program -----------------------------------------------------------------------------------------------

# Compiles trace.c as bcc does: its flags in its order, the tree as the working folder; then turns it into BPF code.
compile_trace() {
    local tree=$1 object=$2 clang=$3 architecture flags
    architecture=$(cd "$tree/arch" && ls -d -- */include/generated)
    architecture=${architecture%%/*}
    flags=(-O2 -emit-llvm -I . -D __BPF_TRACING__ -Wno-deprecated-declarations
        -Wno-gnu-variable-sized-type-not-at-end -Wno-pragma-once-outside-header -Wno-address-of-packed-member
        -Wno-unknown-warning-option)
    [ "$architecture" != x86 ] || flags+=(-Wno-duplicate-decl-specifier -fcf-protection)
    flags+=(-fno-color-diagnostics -fno-unwind-tables -fno-asynchronous-unwind-tables -x c -c "$here/trace.c"
        -g -gdwarf-4 -nostdinc -isystem "$("$clang" -print-resource-dir)/include"
        "-Iarch/$architecture/include/" "-Iarch/$architecture/include/generated" -Iinclude
        "-Iarch/$architecture/include/uapi" "-Iarch/$architecture/include/generated/uapi" -Iinclude/uapi
        -Iinclude/generated/uapi -include ./include/linux/kconfig.h -D__KERNEL__ '-DKBUILD_MODNAME="demo"'
        -Wno-unused-value -Wno-pointer-sign -fno-stack-protector -fms-extensions -Wno-microsoft-anon-tag
        -DCONFIG_CC_IS_CLANG -fno-jump-tables)
    (cd "$tree" && "$clang" "${flags[@]}" -o "$object.bc")
    "$clang" -target bpf -O2 -Wno-override-module -c "$object.bc" -o "$object"
}

# The run -----------------------------------------------------------------------------------------------------------

summary=()
files=0 raw=0

# Fetches a kernel back, compares it with what is expected, and adds it to the summary.
verify() {
    local label=$1 id=$2 added=$3 expected=$4 count size
    step "Fetch $label back, and compare every file"
    kheader fetch --build-id "$id" --to "$work/fetched/$label"
    compare "$expected" "$work/fetched/$label" "what was fetched of $label"
    count=$(find "$expected" -type f | wc -l)
    size=$(find "$expected" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%d", sum }')
    [ "$(listed "$id" files)" = "$count" ] || fail "the list says $(listed "$id" files) files, there are $count."
    [ "$(listed "$id" bytes)" = "$size" ] || fail "the list says $(listed "$id" bytes) bytes, there are $size."
    echo "$(grouped "$count") files are identical."
    files=$((files + count))
    raw=$((raw + size))
    summary+=("$(printf '  %-32s %-12.12s %8s %10s %14s' "$label" "$id" "$(grouped "$count")" "$(bytes "$size")" \
        "$(bytes "$added")")")
}

step "Two current kernels of this distribution (kept in $packages)"
kernels=$("$here/kernel-packages.sh" "$packages")
cut -f 1 <<<"$kernels"
# The clock starts here: how long a download takes says nothing about this program.
SECONDS=0

step "Start the server"
start_server
echo "$KHEADER_URLS"

while IFS=$'\t' read -r release image headers common; do
    step "Import $release"
    before=$(store packBytes)
    kheader import "$image" "$headers" "$common" </dev/null
    added=$(($(store packBytes) - before))
    id=$(listed "$release" buildID) || fail "the server does not list $release."
    expect_packages "$work/expected/$release" "$headers" "$common"
    verify "$release" "$id" $added "$work/expected/$release"
    last=$release
done <<<"$kernels"
second_added=$added

step "The same with nothing but curl and tar"
mkdir "$work/curl"
curl -fsS "$KHEADER_URLS/buildid/$id/headers.tar.gz" | tar -xz -C "$work/curl"
compare "$work/expected/$last" "$work/curl" "what curl got of $last"
echo "identical"

host=$(uname -r)
modules=/lib/modules/$host
host_id=$(host_build_id)
host_headers=()
if [ -n "$host_id" ] && [ -r /sys/kernel/kheaders.tar.xz ]; then
    mkdir -p "$work/expected/host"
    tar -xJf /sys/kernel/kheaders.tar.xz -C "$work/expected/host"
    host_headers=(/sys/kernel/kheaders.tar.xz)
elif [ -n "$host_id" ] && [ -e "$modules/build/include/generated/autoconf.h" ]; then
    host_headers=("$modules/build")
    [ ! -e "$modules/source/include" ] || host_headers=("$modules/source" --build-dir "$modules/build")
    expect_folders "$work/expected/host" "${host_headers[0]}" "$modules/build"
fi
if [ ${#host_headers[@]} -eq 0 ]; then
    step "This host's own kernel, $host, has no headers here: left out"
elif [ -n "$(listed "$host_id" release)" ]; then
    step "This host's own kernel, $host, is one of the two"
else
    step "This host's own kernel, $host: ${host_headers[0]}"
    before=$(store packBytes)
    kheader push "${host_headers[@]}" --build-id "$host_id" --release "$host"
    verify "$host" "$host_id" $(($(store packBytes) - before)) "$work/expected/host"
fi

traced="not tried (no clang here)"
if command -v clang >/dev/null; then
    step "Compile a tracing program against the fetched tree of $last"
    compile_trace "$work/fetched/$last" "$work/trace.o" clang
    traced="compiled to $(bytes "$(stat -c %s "$work/trace.o")") of BPF, with $(clang --version | sed -n '1s/ (.*//p')"
    echo "$traced"
fi

packed=$(store packBytes) catalogue=$(store catalogueBytes) count=$(store kernels)
[ "$count" -eq ${#summary[@]} ] || fail "the store says it has $count kernels, not ${#summary[@]}."

step "Stop the server"
stop_server
echo "stopped"

step "All of it was right"
cat <<SUMMARY

  kernel                           build ID        files        raw   added to disk
$(printf '%s\n' "${summary[@]}")

  Kernels             $count
  Files               $(grouped "$files")
  Raw                 $(bytes "$raw")
  Stored              $(bytes $((packed + catalogue))) (packs $(bytes "$packed"), catalogue $(bytes "$catalogue"))
  The second kernel   added $(bytes "$second_added")
  Tracing program     $traced
  Seconds             $SECONDS

SUMMARY
