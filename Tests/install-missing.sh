#!/usr/bin/env bash
# Installs what this machine lacks, and nothing else.
#
#   Tests/install-missing.sh WHAT=PACKAGE…
#
# WHAT is a command (`curl`), a library as pkg-config names it (`libcurl.pc`), a Python module (`python3:ensurepip`) or a
# file (`/usr/src/linux-headers-6.1.0-56-amd64/Makefile`);
# PACKAGE is the Debian package that has it. What is there already, from wherever it came, is left alone; if nothing is
# missing, neither apt nor the network nor sudo is used.
set -euo pipefail

has() {
    case $1 in
        *.pc) pkg-config --exists "${1%.pc}" 2>/dev/null ;;
        *:*) "${1%%:*}" -c "import ${1#*:}" 2>/dev/null ;;
        */*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
for pair in "$@"; do
    has "${pair%%=*}" || missing+=("${pair#*=}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "This machine lacks what these Debian packages have, and has no apt-get to install them: ${missing[*]}" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "Please run this as root, then try again: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi

update() { "${as_root[@]}" apt-get update; }
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"
}

echo "Installing: ${missing[*]}" >&2
# A fresh machine has no package lists, and an old one's lists may name versions that the mirror has dropped.
apt-get install --simulate "${missing[@]}" >/dev/null 2>&1 || update
install || { update && install; }
