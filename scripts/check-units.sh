#!/bin/sh
# Holds the units in deploy/systemd against systemd itself: no complaint, and an exposure of at most 1.5; at most 2.0 for the agent with a
# drop-in that gives it what its own unit keeps from it.
set -eu
cd "$(dirname "$0")/.."

if ! command -v systemd-analyze >/dev/null; then
    echo "check-units: skipped: systemd-analyze is not installed here"
    [ -z "${JKEYS_TEST_SKIPPED:-}" ] || echo "check-units: systemd-analyze is not installed here" >>"$JKEYS_TEST_SKIPPED"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check LIMIT UNIT [DROP-IN]: the limit is in tenths. Of a drop-in every line counts, those that are only proposed too.
check() {
    limit=$1 name=${2##*/} what=${2##*/}${3:+ with ${3##*/}}
    folder=$(mktemp -d -p "$work")
    # `verify` wants the program to be there; `jkeys` is not installed where it is built.
    sed 's|^ExecStart=/usr/bin/jkeys .*|ExecStart=/bin/true|' "$2" >"$folder/$name"
    if [ -n "${3:-}" ]; then
        mkdir "$folder/$name.d"
        sed 's/^#\([A-Z][A-Za-z]*=\)/\1/' "$3" >"$folder/$name.d/${3##*/}"
    fi
    # It ends with 0 even for a key that it does not know, so what counts is whether it says anything.
    said=$(systemd-analyze verify --man=no "$folder/$name" 2>&1 || echo "systemd-analyze verify failed")
    if [ -n "$said" ]; then
        echo "check-units: $what: $said" >&2
        failed=1
    fi
    # The last line names the overall exposure.
    if scored=$(systemd-analyze security --offline=true --threshold="$limit" --no-pager "$folder/$name" 2>&1); then
        echo "check-units: $what:$(echo "$scored" | tail -n 1 | sed 's/.*://')"
    else
        echo "$scored" | grep '✗' >&2 || true
        echo "check-units: $what is exposed by more than it may be: $(echo "$scored" | tail -n 1)" >&2
        failed=1
    fi
}

for unit in deploy/systemd/*.service; do
    check 15 "$unit"
done
for dropin in deploy/systemd/*.conf; do
    check 20 deploy/systemd/jkeys-agent.service "$dropin"
done
exit "$failed"
