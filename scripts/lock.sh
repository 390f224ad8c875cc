#!/bin/sh
# Pin what pyproject.toml asks for, with hashes, for every supported Python at once.
# `make lock` keeps the pinned versions where it can; `make lock UPGRADE=1` takes the newest of every package.
set -eu
cd "$(dirname "$0")/.."
pin() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@"
}
# The package messaging of this repository is used from its folder.
pin pyproject.toml --no-emit-package django-rabbit-rpc --output-file requirements.txt
pin pyproject.toml --no-emit-package django-rabbit-rpc --extra otel --constraint requirements.txt --output-file requirements-otel.txt
pin pyproject.toml --no-emit-package django-rabbit-rpc --group dev --constraint requirements.txt --output-file requirements-dev.txt
pin --group docs --output-file requirements-docs.txt
pin tests/browser/engines/program/requirements.in --output-file tests/browser/engines/program/requirements.txt
