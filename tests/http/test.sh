#!/bin/sh
# A load balancer that goes by what an agent says of itself.
set -eu
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
cargo build --locked --quiet
.venv/bin/python tests/http/readiness.py target/debug/jkeys
