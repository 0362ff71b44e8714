#!/usr/bin/env bash
# Downloads Debian packages, without installing them, and prints the path of each, in the order asked for.
#
#   Tests/download-packages.sh FOLDER PACKAGE…
#
# What FOLDER has already is not downloaded again. A package gets its name there only when it is whole and has the
# digest that the package lists give for it, so a download that was cut short is never taken for a package.
set -euo pipefail
export LC_ALL=C

folder=${1:?usage: download-packages.sh FOLDER PACKAGE…}
shift
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
temporary=$(mktemp -d "$folder/.download.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

fail() { echo "download-packages: $*" >&2; exit 1; }
is_whole() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# "PACKAGE DIGEST FILE" a line, of the newest version of each in the lists.
{ apt-cache show --no-all-versions "$@" 2>/dev/null || true; } | awk '
    /^Package: /  { package = $2 }
    /^Filename: / { file = $2; sub(".*/", "", file) }
    /^SHA256: /   { digest = $2 }
    /^$/          { if (digest != "") print package, digest, file; digest = "" }
    END           { if (digest != "") print package, digest, file }' | sort -u >"$temporary/known"

while read -r package digest file; do
    is_whole "$folder/$file" "$digest" || echo "$package $digest $file"
done <"$temporary/known" >"$temporary/missing"

if [ -s "$temporary/missing" ]; then
    mapfile -t missing < <(cut -d ' ' -f 1 "$temporary/missing")
    echo "Downloading ${missing[*]}" >&2
    # As root, apt would hand the download to a user who cannot write here.
    (cd "$temporary" && apt-get download -q -o APT::Sandbox::User="$(id -un)" "${missing[@]}" >&2)
    while read -r package digest file; do
        # Found by its beginning: apt writes the colon of an epoch into the name, the lists' file name has no epoch.
        download=$(find "$temporary" -name "${package}_*.deb")
        is_whole "$download" "$digest" || fail "$package came damaged"
        mv "$download" "$folder/$file"
    done <"$temporary/missing"
fi

for package in "$@"; do
    file=$(awk -v package="$package" '$1 == package { print $3 }' "$temporary/known")
    [ -n "$file" ] || fail "the package lists have no $package"
    echo "$folder/$file"
done
