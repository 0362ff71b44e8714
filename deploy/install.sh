#!/usr/bin/env bash
# Installs the programs, their shell completions and manual pages, and the systemd units. `make install` runs it.
#
#   [PREFIX=/usr/local] [DESTDIR=] deploy/install.sh BINARIES GENERATE-MANUAL
#
# BINARIES is the folder that the programs were built into; GENERATE-MANUAL is ArgumentParser's program of that name.
# DESTDIR goes before each path, for packages. With STRIP=1 the programs' symbols stay behind.
set -euo pipefail
export LC_ALL=C

usage="usage: install.sh BINARIES GENERATE-MANUAL"
binaries=${1:?$usage}
generate_manual=${2:?$usage}
prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}$prefix
here=$(cd "$(dirname "$0")" && pwd)
manual=$(mktemp -d "${TMPDIR:-/tmp}/kheader-manual.XXXXXX")
trap 'rm -rf "$manual"' EXIT

for program in kheader:1 kheader-agent:1 kheaderd:8; do
    section=${program#*:} program=${program%:*}
    install -D --mode 755 ${STRIP:+--strip} "$binaries/$program" "$root/bin/$program"
    completion() { "$binaries/$program" --generate-completion-script "$1" | install -D --mode 644 /dev/stdin "$root/$2"; }
    completion bash "share/bash-completion/completions/$program"
    completion zsh "share/zsh/site-functions/_$program"
    completion fish "share/fish/vendor_completions.d/$program.fish"
    "$generate_manual" "$binaries/$program" --section "$section" --output-directory "$manual"
    # It leaves empty lines as they are, which mdoc(7) has a macro for.
    sed -i 's/^$/.Pp/' "$manual/$program.$section"
    install -D --mode 644 "$manual/$program.$section" "$root/share/man/man$section/$program.$section"
done

for unit in kheaderd.service kheader-agent.service kheader-agent.timer; do
    sed "s,/usr/local/bin,$prefix/bin," "$here/$unit" \
        | install -D --mode 644 /dev/stdin "$root/lib/systemd/system/$unit"
done
