# What the scripts in here share: steps that are timed, what was skipped, and how tools get here.
# shellcheck shell=bash

# A file, so that what runs in the background can add to it.
skipped=$(mktemp "${TMPDIR:-/tmp}/tidegauge-skipped.XXXXXX")
trap 'rm -f "$skipped"' EXIT
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# step WORDS COMMAND...: runs a command, and says what it was and how long it took.
step() {
    local words=$1 begun=$SECONDS
    shift
    printf '\n== %s\n' "$words"
    "$@"
    printf '== %s: passed, %d s\n' "$words" "$((SECONDS - begun))"
}

# skip WORDS WHY: notes what was not done.
skip() {
    printf '\n== %s: SKIPPED: %s\n' "$1" "$2"
    echo "$1: $2" >>"$skipped"
}

# Says once more what was not done, where people look.
say_skipped() {
    printf '\n'
    [ -s "$skipped" ] || echo "== nothing was skipped"
    sed 's/^/== SKIPPED /' "$skipped"
}

# packages NAME...: installs packages of the system, where that needs no password.
packages() {
    command -v apt-get >/dev/null || return 1
    local as=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as=(sudo -n)
    fi
    echo "installing $*"
    "${as[@]}" apt-get update -qq &&
        "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# need COMMAND PACKAGE...: true once the command is there.
need() {
    command -v "$1" >/dev/null || { packages "${@:2}" && command -v "$1" >/dev/null; }
}

# component NAME: true once this part of the Rust toolchain is there.
component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null && rustup component add "$2" && cargo "$1" --version >/dev/null
}

# node_package FOLDER: true once target/node has a copy of this package, with all that it depends on. Nothing outside target/
# is touched.
node_package() {
    local copy="target/node/$1"
    need node nodejs && need npm npm || return
    mkdir -p "$copy"
    # What is gone from the package is not to go on in its copy.
    find "$copy" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name installed -exec rm -r {} +
    cp -r "$1/." "$copy/"
    cmp -s "$1/package-lock.json" "$copy/installed" && return
    npm ci --prefix "$copy" --no-audit --no-fund --loglevel=error && cp "$1/package-lock.json" "$copy/installed"
}

# page_tools: true once the page can be tried in a browser. Debian 12's own node is older than what drives it wants.
page_tools() {
    node_package tests/page && need chromium chromium &&
        node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
}
