#!/usr/bin/env bash
# Make or refresh .venv from a pinned requirements file, with the newest suitable Python that has a venv module.
# Usage: scripts/make_venv.sh REQUIREMENTS_FILE
set -euo pipefail
cd "$(dirname "$0")/.."

is_suitable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    without_venv=
    for python in python3.13 python3.12 python3.11 python3; do
        is_suitable "$python" || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$python"
            return
        fi
        without_venv=${without_venv:-$python}
    done
    if [ -n "$without_venv" ]; then
        echo "$without_venv lacks its venv module. On Debian or Ubuntu: apt install $without_venv-venv" >&2
    else
        echo "Python 3.11 or newer is needed. On Debian or Ubuntu: apt install python3 python3-venv" >&2
    fi
    return 1
}

# An interrupted installation leaves an environment without pip.
if ! is_suitable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "Installing the packages of $1 into .venv (about a minute the first time)"
.venv/bin/python -m pip install --disable-pip-version-check --require-hashes --progress-bar off -r "$1" |
    sed -n -e 's/^Collecting \([^ ]*\).*/  fetching \1/p' -e 's/^Installing collected packages.*/  installing/p'
.venv/bin/python -m pip check
