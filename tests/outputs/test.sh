#!/bin/sh
# Every output of a real agent, read by the programs of others: openssl, keytool, Java, npm jose and PyJWT.
set -eu
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
if ! cmp -s package-lock.json node_modules/installed.json; then
    echo "outputs: installing jose (tests/outputs/package-lock.json)"
    npm ci --silent --ignore-scripts --no-audit --no-fund
    cp package-lock.json node_modules/installed.json
fi
cd ../..
cargo build --locked --quiet
.venv/bin/python tests/outputs/read_outputs.py target/debug/jkeys
