#!/usr/bin/env bash
# Builds the module `kheaders` for one of this distribution's kernels, which all have CONFIG_IKHEADERS off: from upstream's
# own kheaders.c and gen_kheaders.sh, out of the distribution's source package, and its packaged headers.
#
#   Tests/Boot/kheaders-module.sh RELEASE FOLDER
#
# Leaves FOLDER/kheaders.ko and FOLDER/kheaders_data.tar.xz, the archive that the module holds. What is there already, of
# the same version of the headers' package, is not built again.
set -euo pipefail
export LC_ALL=C

usage="usage: kheaders-module.sh RELEASE FOLDER"
release=${1:?$usage}
folder=${2:?$usage}
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "kheaders-module: $*" >&2; exit 1; }

objects=/usr/src/linux-headers-$release
version=${release%%-*}
version=${version%.*}
# The package names that have the headers and the source of one kernel.
"$here/../install-missing.sh" "$objects/Makefile=linux-headers-$release" \
    "/usr/src/linux-source-$version.tar.xz=linux-source-$version"

installed=$(dpkg-query --show "linux-headers-$release" "linux-source-$version")
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -s "$folder/kheaders.ko" ] && [ "$(cat "$folder/built-from" 2>/dev/null)" = "$installed" ]; then exit 0; fi
rm -f "$folder/built-from"

work=$(mktemp -d "${TMPDIR:-/tmp}/kheaderd-module.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "Building kheaders.ko for $release" >&2

# The folder with what the flavours of a kernel share, as the headers' Makefile includes it.
sources=$(sed -n 's#^include \(/.*\)/Makefile$#\1#p' "$objects/Makefile")
[ -d "$sources" ] || fail "$objects/Makefile names no folder of shared headers."
architecture=$(basename "$(dirname "$(dirname "$(echo "$objects"/arch/*/include/generated)")")")

mkdir -p "$work/source" "$work/module/kernel"
tar -xJf "/usr/src/linux-source-$version.tar.xz" --strip-components=1 --occurrence=1 -C "$work/source" \
    "linux-source-$version/kernel/kheaders.c" "linux-source-$version/kernel/gen_kheaders.sh"
cp -a "$objects" "$work/objects"
mkdir -p "$work/objects/kernel"
# XZ must be one word.
(cd "$work/objects" && srctree=$sources building_out_of_srctree=1 SRCARCH=$architecture XZ=xz \
    sh "$work/source/kernel/gen_kheaders.sh" kernel/kheaders_data.tar.xz) >&2

cp "$work/source/kernel/kheaders.c" "$work/module/"
cp "$work/objects/kernel/kheaders_data.tar.xz" "$work/module/kernel/"
# shellcheck disable=SC2016
printf 'obj-m := kheaders.o\nccflags-y := -Wa,-I$(M)\n' >"$work/module/Makefile"
make -s -C "$objects" "M=$work/module" kheaders.ko >&2

cp "$work/module/kheaders.ko" "$work/module/kernel/kheaders_data.tar.xz" "$folder/"
echo "$installed" >"$folder/built-from"
