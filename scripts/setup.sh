# Shared set-up of ./start and ./test: sourced by them, from the root of the checkout. POSIX sh.
#
# Needs Python 3.11 or newer; everything else comes from the lock files, by hash, into .venv in this folder (and
# .venv-frameworks).
# Each part is skipped when a stamp says that it was done for these very lock files, so a second run is quick.

began=$(date +%s)

say() { # say TEXT…: one line of progress with the seconds since the start
    printf '[%4ds] %s\n' "$(($(date +%s) - began))" "$*"
}

stop() { # stop TEXT…: give up with one sentence that says what to do
    printf '\nwaystation: %s\n' "$*" >&2
    exit 1
}

find_python() { # sets $python to a Python that is new enough
    for python in python3.11 python3 python3.12 python3.13 python3.14; do
        if command -v "$python" >/dev/null 2>&1 &&
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            return 0
        fi
    done
    stop "needs Python 3.11 or newer, and found none; on Debian: apt-get install python3"
}

apt_install() { # apt_install PACKAGE…: as root or by password-less sudo; fails where neither is possible
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        return 1
    fi
    say "installing $* with apt"
    # shellcheck disable=SC2086  # $as_root is empty or two words
    { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null
}

run_logged() { # run_logged COMMAND…: its milestones as progress; its whole output only if it fails
    { "$@" 2>&1 </dev/null && echo 0 >"$log.rc" || echo $? >"$log.rc"; } | tee -a "$log" |
        while IFS= read -r line; do
            case $line in
                Collecting*) name=${line#Collecting } && say "  getting ${name%% *}" ;;
                'Installing collected packages'*) say '  unpacking' ;;
                'added '*) say "  $line" ;;
            esac
        done
    [ "$(cat "$log.rc")" = 0 ] && return 0
    tail -n 40 "$log" >&2
    return 1
}

hash_of() { # hash_of FILE…: one word that changes when any of them does, or the Python below, or the folder
    { pwd && cat "$@"; } | "$python" -c 'import hashlib, sys; v = str((sys.version_info[:3], sys.prefix)).encode()
print(hashlib.sha256(v + sys.stdin.buffer.read()).hexdigest())'
}

unlock() { rm -rf .venv.lock; }

lock() { # one set-up at a time in this folder; a lock whose owner has died is taken over
    waited=0
    until mkdir .venv.lock 2>/dev/null; do
        owner=$(cat .venv.lock/pid 2>/dev/null || echo)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
            unlock
            continue
        fi
        [ $waited = 0 ] && say "waiting for another set-up in this folder (process ${owner:-unknown})"
        waited=$((waited + 1))
        # An owner that has not even written its number after this long died in between.
        [ $waited -gt 20 ] && [ -z "$owner" ] && unlock
        sleep 1
    done
    echo $$ >.venv.lock/pid
    trap unlock EXIT
    trap 'exit 130' INT TERM HUP
}

make_venv() { # make_venv FOLDER: with pip in it
    # One that was moved or copied here has another folder in its scripts: it is made again.
    if grep -qsF "$(pwd)/" "$1/bin/pip" && "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        return 0
    fi
    say "making $1 with $("$python" --version)"
    rm -rf "$1"
    "$python" -m venv "$1" >"$log" 2>&1 && return 0
    rm -rf "$1"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    apt_install "python$version-venv" || stop "needs Python's venv module, which Debian ships apart, and" \
        "cannot install it without root; run: apt-get install python$version-venv"
    "$python" -m venv "$1" >"$log" 2>&1 || { tail -n 20 "$log" >&2; stop "could not make $1"; }
}

pip_install() { # pip_install FOLDER LOCKFILE: what it pins, by hash, into that venv
    say "installing what $2 pins, by hash"
    run_logged "$1/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --require-hashes --requirement "$2" || stop "could not install the Python packages (see above)"
}

is_installed() { # is_installed LOCKFILE: whether .venv has just that, and Waystation itself
    [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$(hash_of "$1" pyproject.toml)" ]
}

install_python() { # install_python LOCKFILE [ALSO]: what it pins, and Waystation itself, into .venv
    # ALSO is a lock file whose packages are all in LOCKFILE too.
    is_installed "$1" && return 0
    lock
    log=$(pwd)/.venv.lock/log
    : >"$log"
    if ! is_installed "$1"; then # or another set-up has done it meanwhile
        make_venv .venv
        pip_install .venv "$1"
        say 'installing waystation and way'
        run_logged .venv/bin/python -m pip install --disable-pip-version-check --no-input --no-index \
            --no-deps --no-build-isolation --editable . || stop "could not install waystation (see above)"
        for lock_file in "$@"; do
            hash_of "$lock_file" pyproject.toml >".venv/stamp-$lock_file"
        done
    fi
    trap - EXIT INT TERM HUP
    unlock
}

install_frameworks() { # the agent frameworks of tests/frameworks, which want other versions than the tests do
    wanted=$(hash_of requirements-frameworks.lock)
    stamp=.venv-frameworks/stamp
    if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    lock
    log=$(pwd)/.venv.lock/log
    : >"$log"
    if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
        make_venv .venv-frameworks
        pip_install .venv-frameworks requirements-frameworks.lock
        printf '%s\n' "$wanted" >$stamp
    fi
    trap - EXIT INT TERM HUP
    unlock
}

install_clients() { # the real coding tools, pinned by tests/clients/package-lock.json
    wanted=$(hash_of tests/clients/package-lock.json)
    stamp=tests/clients/node_modules/.waystation-stamp
    if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    command -v npm >/dev/null 2>&1 || stop "needs npm for the real coding tools; on Debian: apt-get install npm"
    lock
    log=$(pwd)/.venv.lock/log
    : >"$log"
    if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
        say 'installing Claude Code, Codex, Gemini CLI, OpenCode and four more with npm (about 2 GB unpacked)'
        # Two of the packages put their own binary in place by an install script; those two are run by
        # name. The others' scripts would compile optional native parts that a headless run never loads.
        # `npm install` and not `npm ci`: OpenCode lists a package for every platform, and a lock made where
        # some of them cannot be had must still do; the versions and hashes that it has are kept to.
        run_logged npm --prefix tests/clients install --no-save --ignore-scripts --no-audit --no-fund ||
            stop "could not install the coding tools (see above)"
        # Debian 12 ships Node 18, too old for Codex and Gemini CLI: on Linux x64 a pinned one comes along.
        PATH=$(pwd)/tests/clients/node_modules/.bin:$PATH node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
            stop "needs Node 20 or newer for the coding tools; found $(node --version)"
        for script in @anthropic-ai/claude-code/install.cjs opencode-ai/postinstall.mjs; do
            (cd "tests/clients/node_modules/$(dirname "$script")" && run_logged node "$(basename "$script")") ||
                stop "could not set up $(dirname "$script") (see above)"
        done
        printf '%s\n' "$wanted" >"$stamp"
    fi
    trap - EXIT INT TERM HUP
    unlock
}

install_oidc() { # the identity provider that the sign-in tests talk to, pinned by tests/oidc/package-lock.json
    wanted=$(hash_of tests/oidc/package-lock.json)
    stamp=tests/oidc/node_modules/.waystation-stamp
    if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    lock
    log=$(pwd)/.venv.lock/log
    : >"$log"
    if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
        say 'installing the identity provider of the tests with npm'
        run_logged npm --prefix tests/oidc ci --ignore-scripts --no-audit --no-fund ||
            stop "could not install the identity provider of the tests (see above)"
        printf '%s\n' "$wanted" >"$stamp"
    fi
    trap - EXIT INT TERM HUP
    unlock
}
