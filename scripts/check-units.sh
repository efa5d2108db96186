#!/bin/sh
# Holds the units in deploy/systemd against systemd itself: no complaint, and an exposure of at most 1.5; with a drop-in, 2.0.
set -eu
cd "$(dirname "$0")/.."

if ! command -v systemd-analyze >/dev/null; then
    echo "check-units: skipped: systemd-analyze is not installed here"
    [ -z "${JKEYS_TEST_SKIPPED:-}" ] || echo "check-units: systemd-analyze is not installed here" >>"$JKEYS_TEST_SKIPPED"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# `verify` wants the program to be there; `jkeys` is not installed where it is built.
for unit in deploy/systemd/*.service; do
    sed 's|^ExecStart=/usr/bin/jkeys .*|ExecStart=/bin/true|' "$unit" >"$work/${unit##*/}"
done

# The agent as it is with every line of each drop-in that is shipped, under a name of its own.
for dropin in deploy/systemd/jkeys-agent.service.d/*.example; do
    name=jkeys-agent-with-$(basename "$dropin" .conf.example).service
    cp "$work/jkeys-agent.service" "$work/$name"
    mkdir "$work/$name.d"
    sed 's/^#\([A-Z][A-Za-z]*=\)/\1/' "$dropin" >"$work/$name.d/drop-in.conf"
done

failed=0
for unit in "$work"/*.service; do
    name=${unit##*/}
    # In tenths: drop-ins give the agent capabilities that the unit keeps from it.
    case $name in
        *-with-*) most=20 ;;
        *) most=15 ;;
    esac
    # It ends with 0 even for a key that it does not know, so what counts is whether it says anything.
    said=$(systemd-analyze verify --man=no "$unit" 2>&1 || echo "systemd-analyze verify failed")
    if [ -n "$said" ]; then
        echo "check-units: $name: $said" >&2
        failed=1
    fi
    # --threshold is in tenths. The last line names the overall exposure.
    if scored=$(systemd-analyze security --offline=true --threshold=$most --no-pager "$unit" 2>&1); then
        echo "check-units: $name:$(echo "$scored" | tail -n 1 | sed 's/.*://')"
    else
        echo "$scored" | grep '✗' >&2 || true
        echo "check-units: $name is exposed by more than $most tenths: $(echo "$scored" | tail -n 1)" >&2
        failed=1
    fi
done
exit "$failed"
