#!/usr/bin/env bash
# Downloads two current kernels of this distribution, as packages: the image and its headers.
#
#   Tests/Demo/kernel-packages.sh FOLDER
#
# Which kernels these are is asked of the package lists (the meta-packages name them), so no version stands here.
# The packages stay in FOLDER: a second run downloads nothing until the lists name newer ones, which then replace them.
# Prints a line a kernel, its parts separated by tabs: release, image, headers, common headers.
set -euo pipefail
export LC_ALL=C

folder=${1:?usage: kernel-packages.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "kernel-packages: $*" >&2; exit 1; }

command -v apt-cache >/dev/null || fail "this needs a Debian system: the kernels come out of its packages."

# "PACKAGE DEPENDENCY" a line: what each of the packages depends on, of images and headers of one certain release.
dependencies() {
    apt-cache show --no-all-versions "$@" 2>/dev/null | awk '
        /^Package: / { package = $2 }
        /^Depends: / {
            count = split(substr($0, 10), names, /[,|] */)
            for (i = 1; i <= count; i++) {
                sub(/ .*/, "", names[i])
                if (names[i] ~ /^linux-(image|headers)-[0-9]/) print package, names[i]
            }
        }'
}

# The releases of the first two flavours for which the lists have both an image and headers.
current_releases() {
    local architecture flavours flavour metas=() depends image headers
    architecture=$(dpkg --print-architecture)
    flavours=("$architecture" "cloud-$architecture" "rt-$architecture" generic virtual)
    for flavour in "${flavours[@]}"; do metas+=("linux-image-$flavour" "linux-headers-$flavour"); done
    depends=$(dependencies "${metas[@]}")
    for flavour in "${flavours[@]}"; do
        image=$(awk -v meta="linux-image-$flavour" '$1 == meta { print $2; exit }' <<<"$depends")
        headers=$(awk -v meta="linux-headers-$flavour" '$1 == meta { print $2; exit }' <<<"$depends")
        [ -n "$image" ] || continue
        [ "${image#linux-image-}" = "${headers#linux-headers-}" ] || continue
        echo "${image#linux-image-}"
    done | head -n 2
}

# The package with the headers that all flavours of release $1 share.
common_headers() { dependencies "linux-headers-$1" | awk '{ print $2; exit }'; }

kernels() {
    local releases release packages files
    mapfile -t releases < <(current_releases)
    [ ${#releases[@]} -eq 2 ] || return 1
    packages=()
    for release in "${releases[@]}"; do
        packages+=("linux-image-$release" "linux-headers-$release" "$(common_headers "$release")")
    done
    files=$("$here/../download-packages.sh" "$folder" "${packages[@]}") || return 1
    paste <(printf '%s\n' "${releases[@]}") <(paste - - - <<<"$files")
}

refresh_lists() {
    echo "Refreshing the package lists" >&2
    if [ "$(id -u)" -eq 0 ]; then apt-get update -qq >&2; else sudo apt-get update -qq >&2; fi
}

# The lists can be missing (a fresh machine) or name versions that the mirror has dropped.
lines=$(kernels) || { refresh_lists && lines=$(kernels); } \
    || fail "the package lists name no two current kernels, or the mirror did not send them."

for file in "$folder"/linux-*.deb; do
    [[ $lines == *"/${file##*/}"* ]] || rm -f "$file"
done
echo "$lines"
