#!/usr/bin/env bash
# Runs every test: Rust, units, readers, outputs, HTTP, the package. Ends with the ten slowest Rust tests.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test

log=$(mktemp)
# A test that can't show its demand on this machine passes and writes here why: the harness would hide it.
JKEYS_TEST_SKIPPED=$(mktemp)
export JKEYS_TEST_SKIPPED
trap 'rm -f "$log" "$JKEYS_TEST_SKIPPED"' EXIT
# The runner asks each test program for the time of each test.
cargo test --locked --no-fail-fast --lib --bins --tests --config "target.'cfg(unix)'.runner = '$PWD/scripts/timed-test.sh'" -- "$@" | tee "$log"
cargo test --locked --doc --quiet

# Each rule taken out in turn. The readers' run without rule R1 uses the same build.
cargo test --locked --features mutants --test mutants -- --nocapture

scripts/check-units.sh
tests/readers/test.sh
tests/outputs/test.sh
tests/http/test.sh
tests/package/test.sh
tests/systemd/test.sh

echo
echo "The ten slowest tests:"
# `test NAME ... ok <1.234s>` becomes `1.234 NAME`
sed -n 's/^test \([^ ]*\).* <\([0-9.]*\)s>$/\2 \1/p' "$log" | sort -rn | awk 'NR <= 10 { printf "%9.3f s  %s\n", $1, $2 }'

if [ -s "$JKEYS_TEST_SKIPPED" ]; then
    echo
    echo "Skipped on this machine, so not shown:"
    sort -u "$JKEYS_TEST_SKIPPED" | sed 's/^/  /'
fi
