#!/usr/bin/env bash
# Asks a server of its own for all that the API's description allows, and for much that it does not: what it answers has to
# be what is described.
#
#   Tests/API/check-api.sh BINARIES SCHEMATHESIS
#
# The server wants tokens, so that whether they are asked for is checked, too.
set -euo pipefail
export LC_ALL=C

usage="usage: check-api.sh BINARIES SCHEMATHESIS"
binaries=$(cd "${1:?$usage}" && pwd)
schemathesis=${2:?$usage}
here=$(cd "$(dirname "$0")" && pwd)
unset "${!KHEADER@}"

work=$(mktemp -d "${TMPDIR:-/tmp}/kheader-api.XXXXXX")
server=
finish() {
    status=$?
    if [ -n "$server" ]; then
        kill -TERM "$server" && wait "$server" || true
    fi
    [ $status -eq 0 ] || tail -n 20 "$work/log" >&2
    rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

token=$("$binaries/kheaderd" token create --state "$work/state" --role operator --label check 2>/dev/null)
mkfifo "$work/ready"
# Small limits: what crosses them is soon made.
KHEADERD_LIMITS_ARCHIVE_BYTES=100000 KHEADERD_LIMITS_BTF_BYTES=10000 \
    "$binaries/kheaderd" serve --state "$work/state" --listen 127.0.0.1:0 >"$work/ready" 2>"$work/log" &
server=$!
exec 3<"$work/ready"
read -r -t 60 line <&3
# A kernel of the build ID that the description has as its example, so that there is something to ask for.
for file in include/linux/sched.h arch/x86/include/asm/page.h; do install -D /dev/null "$work/tree/$file"; done
KHEADER_TOKEN=$token "$binaries/kheader" push "$work/tree" --incomplete --server "${line##* }" \
    --build-id 5ac35e1d2c7a1c5d1a4f9b7d6ae4a1d0c2b3f4e5 --release 6.1.0-56-amd64 >/dev/null
# Its data base of examples stays in the folder that it is run in.
cd "$work"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here "$schemathesis" --config-file "$here/schemathesis.toml" \
    run "$here/../../openapi/openapi.yaml" --url "${line##* }" --header "Authorization: Bearer $token" \
    --checks all --max-examples "${EXAMPLES:-20}"
