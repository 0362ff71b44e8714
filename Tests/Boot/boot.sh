#!/usr/bin/env bash
# The agent on a real kernel: boots one of this distribution's kernels in QEMU (without KVM) with the agent in its
# initramfs and the module `kheaders` on its disk, and holds what the agent has collected against what the module holds.
# `make test-boot` builds the programs and runs this.
#
#   Tests/Boot/boot.sh AGENT BINARIES PACKAGES CACHE
#
# AGENT is the program kheader-agent; BINARIES is the folder with kheaderd and kheader; PACKAGES is where
# Tests/Demo/kernel-packages.sh keeps its downloads; CACHE keeps the built module. Exits 0 only if all was right.
set -euo pipefail
export LC_ALL=C

usage="usage: boot.sh AGENT BINARIES PACKAGES CACHE"
agent=${1:?$usage}
binaries=$(cd "${2:?$usage}" && pwd)
packages=${3:?$usage}
cache=${4:?$usage}
here=$(cd "$(dirname "$0")" && pwd)
unset "${!KHEADER@}"

work=$(mktemp -d "${TMPDIR:-/tmp}/kheaderd-boot.XXXXXX")
server=
finish() {
    status=$?
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    if [ $status -ne 0 ]; then
        for file in "$work"/console "$work"/log "$work"/results/*/errors; do
            [ ! -s "$file" ] || { echo "The end of ${file#"$work"/}:" && tail -n 20 "$file"; } >&2
        done
    fi
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

step() { printf '==> %s\n' "$*"; }
fail() { echo "boot: $*" >&2; exit 1; }

# The kernel ---------------------------------------------------------------------------------------------------------

kernels=$("$here/../Demo/kernel-packages.sh" "$packages")
IFS=$'\t' read -r release image _ <<<"$kernels"
module=$cache/$release
"$here/kheaders-module.sh" "$release" "$module"

step "The kernel $release"
modules=lib/modules/$release
drivers=$modules/kernel/drivers
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,lib64} "$work/image"
wanted=("./boot/vmlinuz-$release")
for name in virtio/virtio_ring virtio/virtio virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev \
    virtio/virtio_pci block/virtio_blk; do
    wanted+=("./$drivers/$name.ko")
done
dpkg-deb --fsys-tarfile "$image" | tar -x -C "$work/image" "${wanted[@]}"
vmlinuz=$work/image/boot/vmlinuz-$release
cp -r "$work/image/lib" "$root/"

# The build ID, as the kernel's scripts/extract-vmlinux finds the kernel: after the magic of xz.
offset=$(grep -abo -m 1 $'\xFD7zXZ' "$vmlinuz" | head -n 1)
{ tail -c "+$((${offset%%:*} + 1))" "$vmlinuz" | xz -dcq --single-stream >"$work/vmlinux"; } 2>/dev/null || true
build_id=$(readelf -n "$work/vmlinux" | sed -n 's/.*Build ID: //p')
rm "$work/vmlinux"
[ -n "$build_id" ] || fail "the build ID of $vmlinuz can't be read."

# The guest ------------------------------------------------------------------------------------------------------------

mkdir -p "$root/$modules/kernel/kernel"
cp "$module/kheaders.ko" "$root/$modules/kernel/kernel/"
# As the kernel's build compresses modules (scripts/Makefile.modinst).
xz --check=crc32 --lzma2=dict=1MiB -c "$module/kheaders.ko" >"$root/$modules/kheaders.ko.xz"
# A module that was built again: the same, with another build ID.
blk=$root/$drivers/block/virtio_blk.ko
id=$(readelf -n "$blk" | sed -n 's/.*Build ID: //p')
[ ${#id} -eq 40 ] || fail "virtio_blk.ko has no build ID."
python3 - "$blk" "$root/$modules/virtio_blk-rebuilt.ko" "$id" <<'P'
import sys
old = bytes.fromhex(sys.argv[3])
data = open(sys.argv[1], "rb").read()
assert data.count(old) == 1
open(sys.argv[2], "wb").write(data.replace(old, old[::-1]))
P

cp "$(command -v busybox)" "$root/bin/"
cp "$here/guest.sh" "$root/init"
chmod +x "$root/init"
cp "$agent" "$root/bin/kheader-agent"
# The libraries that it is linked with, the loader, and what it decompresses with, loaded when it is first called. libcurl is
# not among them: collecting needs none.
ldd "$agent" | sed -n 's#.*[[:space:]]\(/[^ ]*\) (0x.*#\1#p' | while read -r library; do
    mkdir -p "$root/$(dirname "$library")"
    cp -L "$library" "$root/$library"
done
libraries=$(ldd "$agent" | sed -n 's#.*libc\.so\.6 => \(/[^ ]*\)/libc\.so\.6 .*#\1#p')
for name in liblzma.so.5 libzstd.so.1 libz.so.1; do cp -L "$libraries/$name" "$root/$libraries/"; done
[ -z "$(ldd "$agent" | grep libcurl || true)" ] || fail "the agent is linked with libcurl."
(cd "$root" && find . | cpio --create --format newc --quiet | gzip -1 >"$work/initramfs")
truncate --size 64M "$work/disk"

step "Booting it"
started=$SECONDS
timeout 300 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1024 -nodefaults -no-reboot -nic none -display none \
    -kernel "$vmlinuz" -initrd "$work/initramfs" -append "console=ttyS0 quiet panic=-1 rdinit=/init" \
    -serial "file:$work/console" -drive "file=$work/disk,if=virtio,format=raw,cache=unsafe" \
    || fail "QEMU did not end well within 300 seconds."
grep -q BOOT-DONE "$work/console" || fail "the guest did not come to its end."
mkdir "$work/results"
tar -C "$work/results" -xf "$work/disk"
step "It ran for $((SECONDS - started)) seconds: $(cat "$work/results/version")"

# What came of it ----------------------------------------------------------------------------------------------------

expect() { # CASE STATUS WORDS…: the exit code, and words that the agent said
    local name=$1 status=$2 word
    shift 2
    [ "$(cat "$work/results/$name/status")" = "$status" ] || fail "$name: the agent exited with $(cat "$work/results/$name/status")."
    for word in "$@"; do
        grep -qF -- "$word" "$work/results/$name/output" "$work/results/$name/errors" || fail "$name: the agent did not say '$word'."
    done
}
same() { # CASE…: the archive is the module's, byte by byte, and the build ID is the kernel's
    local name
    for name in "$@"; do
        cmp "$work/results/$name/archive.tar.xz" "$module/kheaders_data.tar.xz" || fail "$name: the archive is another one."
        grep -qx "$build_id" "$work/results/$name/output" || fail "$name: the agent did not print $build_id."
    done
}
unloaded() { # CASE…
    local name
    for name in "$@"; do
        ! grep -q '^kheaders ' "$work/results/$name/modules" || fail "$name: the module is still loaded."
    done
}

expect plain 0 'loaded-module: usable'
expect compressed 0 'loaded-module: usable'
expect loaded-before 0 'sysfs: usable'
expect not-loaded 0 'loaded-module: not-permitted' 'module-file: usable'
expect another-build 3 'loaded-module: another-kernel' 'module-file: another-kernel'
same plain compressed loaded-before not-loaded
expect ended-by-KILL 137
expect ended-by-TERM 143
unloaded plain compressed ended-by-KILL ended-by-TERM another-build not-loaded
grep -q '^kheaders ' "$work/results/loaded-before/modules" || fail "the agent unloaded a module that it had not loaded."
grep -q '^virtio_blk ' "$work/results/plain/modules" || fail "the list of modules is none."
[ ! -e "$work/results/another-build/archive.tar.xz" ] || fail "the agent took headers of another build."
step "Collected by loading the module, plain and compressed, and from its file: $(stat -c %s "$module/kheaders_data.tar.xz") bytes each, as the module holds them"

# The host sends it --------------------------------------------------------------------------------------------------

mkfifo "$work/ready"
"$binaries/kheaderd" serve --state "$work/state" --listen 127.0.0.1:0 >"$work/ready" 2>"$work/log" &
server=$!
exec 3<"$work/ready"
read -r -t 60 line <&3 || fail "the server did not start."
export KHEADER_URLS=${line##* }
"$binaries/kheader" push "$work/results/plain/archive.tar.xz" --build-id "$build_id" --release "$release"
mkdir "$work/fetched" "$work/expected"
"$binaries/kheader" fetch --build-id "$build_id" --to "$work/fetched/tree"
tar -C "$work/expected" -xJf "$module/kheaders_data.tar.xz"
diff -r "$work/expected" "$work/fetched/tree" || fail "what the server has is not what was collected."
step "The server has it under $build_id"
