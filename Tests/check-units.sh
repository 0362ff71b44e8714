#!/usr/bin/env bash
# Checks systemd's units: they have no mistakes, and what they start is confined.
#
#   Tests/check-units.sh FOLDER
#
# Nothing of the machine's own systemd is asked; it need not run.
set -euo pipefail
export LC_ALL=C

folder=${1:?usage: check-units.sh FOLDER}
# What systemd calls exposure, 0 to 10, in tenths: over it a unit's confinement has been loosened.
limit=25
copies=$(mktemp -d "${TMPDIR:-/tmp}/kheader-units.XXXXXX")
trap 'rm -rf "$copies"' EXIT
fail() { echo "check-units: $*" >&2; exit 1; }

for unit in "$folder"/*.service "$folder"/*.timer; do
    # The programs need not be installed here: their place is taken by one that is.
    sed 's,^\(ExecStart=\)[^ ]*,\1/bin/true,' "$unit" > "$copies/${unit##*/}"
done

mistakes=$(systemd-analyze verify --man=no --recursive-errors=no "$copies"/* 2>&1) || fail "$mistakes"
[ -z "$mistakes" ] || fail "$mistakes"

for unit in "$copies"/*.service; do
    name=${unit##*/}
    report=$(systemd-analyze security --offline=yes --no-pager --threshold=$limit "$unit" 2>&1) || {
        grep -v $'\xe2\x9c\x93' <<<"$report" >&2
        fail "$name is exposed more than $((limit / 10)).$((limit % 10))."
    }
    grep -o 'Overall exposure level.*: [0-9.]*' <<<"$report"
done
