#!/bin/sh
# Find a Python that Assay runs on and let it make `.venv`. Called by every task of the Makefile; cheap when all is there.
set -eu
cd "$(dirname "$0")/.."

for name in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11 python3.14 python; do
    # Some names are shims that exist and do not work, so each is tried.
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; then
        exec "$name" infra/bootstrap.py
    fi
done
echo "assay: no Python 3.11, 3.12, 3.13 or 3.14 found; install one, or name it: make PYTHON=/path/to/python3.13" >&2
exit 1
