#!/bin/sh
# A load balancer that goes by what an agent says of itself, and Prometheus' own tool that reads it.
set -eu
cd "$(dirname "$0")/../.."
export PYTHONDONTWRITEBYTECODE=1
cargo build --locked --quiet
.venv/bin/python tests/http/readiness.py target/debug/jkeys
promtool=$(command -v promtool || echo "$PWD/.tools/promtool")
.venv/bin/python tests/http/metrics.py target/debug/jkeys "$promtool"
# It says all of it again where something is wrong.
"$promtool" check rules deploy/prometheus/jkeys.rules.yml >/dev/null
"$promtool" test rules tests/http/rules_test.yml >/dev/null
echo "http: ok: each alert fires on a node that is ill and on none that is well"
