#!/usr/bin/env bash
# Installs into a folder of its own, and checks what is there: the programs run, the manual pages have no mistakes, the
# shells take the completions.
#
#   Tests/check-install.sh BINARIES GENERATE-MANUAL
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/kheader-install.XXXXXX")
trap 'rm -rf "$folder"' EXIT
fail() { echo "check-install: $*" >&2; exit 1; }

DESTDIR=$folder PREFIX=/opt/kheader "$here/../deploy/install.sh" "$@"
root=$folder/opt/kheader

for program in kheader kheader-agent kheaderd; do
    "$root/bin/$program" --version >/dev/null || fail "$program does not run."
done

for page in "$root"/share/man/man?/*; do
    mistakes=$(groff -mandoc -Tascii -ww -z "$page" 2>&1)
    [ -z "$mistakes" ] || fail "$page: $mistakes"
    text=$(groff -mandoc -Tascii -P -cbou "$page")
    for part in NAME SYNOPSIS DESCRIPTION 'Exit codes'; do
        [[ $text == *"$part"* ]] || fail "$page has no $part."
    done
done
[ "$(find "$root/share/man" -type f | wc -l)" -eq 3 ] || fail "there are not three manual pages."

# What bash offers for a line of two words, as it asks a completion.
complete_word() {
    bash -euc '
        source "$1"
        COMP_WORDS=("$2" "$3") COMP_CWORD=1 COMP_LINE="$2 $3"
        COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
        function=$(complete -p "$2" | sed "s/.* -F \([^ ]*\) .*/\1/")
        COMPREPLY=()
        "$function" "$2" "$3" "$2" || true
        printf "%s\n" "${COMPREPLY[@]}"
    ' - "$root/share/bash-completion/completions/$1" "$1" "$2"
}
for expected in kheader:ex:exec kheader:doc:doctor kheaderd:se:serve kheader-agent:co:collect; do
    IFS=: read -r program word whole <<<"$expected"
    offered=$(complete_word "$program" "$word" | tr -d ' ')
    [ "$offered" = "$whole" ] || fail "bash completes '$program $word' to '$offered', not '$whole'."
done
grep -q '^#compdef kheader' "$root/share/zsh/site-functions/_kheader" || fail "zsh's completion is none."
if command -v zsh >/dev/null; then zsh -n "$root"/share/zsh/site-functions/*; fi
if command -v fish >/dev/null; then fish --no-execute "$root"/share/fish/vendor_completions.d/*; fi

units=$root/lib/systemd/system
for program in kheaderd kheader-agent; do
    grep -q "^ExecStart=/opt/kheader/bin/$program " "$units/$program.service" \
        || fail "$program.service starts another program."
done
[ -f "$units/kheader-agent.timer" ] || fail "the agent's timer is missing."
# Each command that a unit starts is one that the program knows.
"$root/bin/kheader-agent" run --help | grep -q -- --token-file || fail "the agent has no --token-file."
[[ $(groff -mandoc -Tascii -P -cbou "$root/share/man/man8/kheaderd.8") == *'token create'* ]] \
    || fail "kheaderd's page has no 'token create'."
echo "What is installed is whole: $(find "$root" -type f | wc -l) files."
