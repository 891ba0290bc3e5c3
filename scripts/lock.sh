#!/bin/sh
# Pins every dependency of pyproject.toml by hash into requirements.lock (what the gateway needs),
# requirements-dev.lock (that, and what the tests need) and requirements-frameworks.lock (the agent frameworks of
# tests/frameworks alone), and the coding tools of tests/clients into package-lock.json. Run it after changing a
# dependency:
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

compile() { # compile OUTPUT SOURCE ARGUMENT…: pip-compile with everything that would name a registry left out
    output=$1
    shift
    echo "pinning $output"
    CUSTOM_COMPILE_COMMAND="scripts/lock.sh" "$tools/bin/pip-compile" \
        --quiet --generate-hashes --allow-unsafe --strip-extras --no-annotate \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --output-file "$output" "$@"
}

compile requirements.lock pyproject.toml --build-deps-for editable --extra postgres --extra valkey "$@"
compile requirements-dev.lock pyproject.toml --build-deps-for editable --extra postgres --extra valkey --extra dev \
    --constraint requirements.lock "$@"
# Without what the gateway itself needs: in the frameworks' venv there is no gateway.
"$tools/bin/python" -c 'import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["project"]["optional-dependencies"]["frameworks"], sep="\n")' |
    compile requirements-frameworks.lock - "$@"

for folder in tests/clients tests/oidc; do
    echo "pinning $folder/package-lock.json"
    (cd "$folder" && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved \
        --no-audit --no-fund)
done
