#!/bin/sh
# Relying parties: their own tests, then real ones against `jkeys dev`, in the .venv that scripts/setup.sh makes.
set -eu
cd "$(dirname "$0")"
export PYTHONDONTWRITEBYTECODE=1
python=$PWD/../../.venv/bin/python
"$python" -m unittest --quiet
cd ../..

echo "readers: with rule R1 taken out (a build for tests only) the strict reader must fail"
cargo build --locked --quiet --features mutants
cp target/debug/jkeys target/debug/jkeys-mutants
cargo build --locked --quiet
"$python" tests/readers/drive_dev.py --expect-failure target/debug/jkeys-mutants

echo "readers: ten rotations and an emergency, two minutes; no reader may fail"
"$python" tests/readers/drive_dev.py target/debug/jkeys
echo "readers: ok"
