#!/bin/sh
# Installs `way`, the command that starts your coding tools through @GATEWAY@.
# Everything goes into your home folder; no administrator is needed. `way uninstall` removes it.
set -eu

GATEWAY='@GATEWAY@'
SHA256='@SHA256@'

fail() {
  printf 'way: %s\n' "$1" >&2
  exit 1
}

find_python() {
  # Apple's /usr/bin/python3 opens a window where the developer tools are not installed: ask before running it.
  for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python; do
    path=$(command -v "$name" 2>/dev/null) || continue
    if [ "$path" = /usr/bin/python3 ] && [ "$(uname)" = Darwin ]; then
      xcode-select -p >/dev/null 2>&1 || continue
    fi
    if "$path" -I -c 'import sys, ssl; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
      printf '%s' "$path"
      return 0
    fi
  done
  return 1
}

download() {
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --max-time 120 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 120 -O "$2" "$1"
  else
    fail 'neither curl nor wget is here; install one of them and try again.'
  fi
}

# All of it is one function, so that a script that was cut off on its way does nothing.
main() {
  python=$(find_python) || fail 'Python 3.9 or newer is needed; install python3 and try again.'
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  download "$GATEWAY/install/way.pyz" "$folder/way.pyz" || fail "$GATEWAY cannot be reached; check your network or VPN."
  found=$("$python" -I -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$folder/way.pyz")
  [ "$found" = "$SHA256" ] || fail 'the download is not what the gateway announced; try again, and tell its operator if it stays so.'
  "$python" -I "$folder/way.pyz" self-install --gateway "$GATEWAY" "$@" </dev/null
}

main "$@"
