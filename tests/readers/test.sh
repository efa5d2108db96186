#!/bin/sh
# The readers' own tests, in the .venv that scripts/setup.sh makes.
set -eu
cd "$(dirname "$0")"
PYTHONDONTWRITEBYTECODE=1 ../../.venv/bin/python -m unittest --quiet
echo "readers: ok"
