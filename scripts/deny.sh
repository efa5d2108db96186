#!/bin/sh
# Holds the dependencies against deny.toml. `--install` builds cargo-deny where it is missing; without it that is said and passed.
set -eu
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    if [ "${1:-}" != --install ]; then
        echo "deny: skipped: cargo-deny is not installed here; \`make test-full\` installs it"
        exit 0
    fi
    echo "deny: building cargo-deny"
    cargo install cargo-deny --locked --quiet
fi
cargo deny --locked check bans licenses sources
