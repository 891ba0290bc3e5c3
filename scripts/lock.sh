#!/bin/sh
# Pins every dependency of pyproject.toml by hash into requirements.lock (what the gateway needs) and
# requirements-dev.lock (that, and what the tests need), and the coding tools of tests/clients into
# package-lock.json. Run it after changing a dependency:
#
#     scripts/lock.sh             keep the versions that are pinned, add and drop what changed
#     scripts/lock.sh --upgrade   take the newest versions
#
# No lock may name a registry: a reader's own package index is theirs to choose.
set -eu
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT INT TERM
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check 'pip-tools>=7.6'

compile() { # compile OUTPUT ARGUMENT…: pip-compile with everything that would name a registry left out
    output=$1
    shift
    echo "pinning $output"
    CUSTOM_COMPILE_COMMAND="scripts/lock.sh" "$tools/bin/pip-compile" pyproject.toml \
        --quiet --generate-hashes --allow-unsafe --strip-extras --build-deps-for editable --no-annotate \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --output-file "$output" "$@"
}

compile requirements.lock --extra postgres "$@"
compile requirements-dev.lock --extra postgres --extra dev --constraint requirements.lock "$@"

echo "pinning tests/clients/package-lock.json"
(cd tests/clients && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
    --no-audit --no-fund)
