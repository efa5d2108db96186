#!/usr/bin/env bash
# Makes this machine ready: `setup.sh build` for building, `setup.sh package` for the Debian package, `setup.sh test` for the tests, `setup.sh
# lint` for `make lint`. It says what it installs, and installs nothing that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
goal=${1:-build}

say() { echo "setup: $*"; }

missing=()
need() { # need PACKAGE COMMAND...: the package is missing where the command fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need make command -v make
need pkg-config command -v pkg-config
need libssl-dev test -e /usr/include/openssl/ssl.h
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
if [ "$goal" = package ] || [ "$goal" = test ]; then
    need dpkg-dev command -v dpkg-shlibdeps
fi
if [ "$goal" = test ]; then
    need strace command -v strace
    need openssl command -v openssl
    need default-jdk-headless sh -c 'command -v keytool && command -v javac'
    need nodejs command -v node
    need haproxy test -x /usr/sbin/haproxy
    need npm command -v npm
    need python3 command -v python3
    need python3-venv python3 -c 'import venv, ensurepip'
fi

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

if [ "${#missing[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        say "these are missing, by their Debian names: ${missing[*]}; install them with this system's package manager" >&2
        exit 1
    fi
    say "installing from Debian: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null; then
    say "Rust is missing, and Debian's is too old: install 1.88 or newer from https://rustup.rs" >&2
    exit 1
fi

# rustup's minimal profile has neither; without rustup they come with Rust from wherever that came.
if [ "$goal" = lint ] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    if command -v rustup >/dev/null; then
        say "adding rustfmt and clippy: rustup component add rustfmt clippy"
        rustup component add rustfmt clippy
    else
        say "rustfmt or clippy is missing: install both, for example with rustup: rustup component add rustfmt clippy" >&2
        exit 1
    fi
fi

lock=tests/readers/requirements.txt
if [ "$goal" = test ] && ! cmp -s "$lock" .venv/installed.txt; then
    say "making .venv with the relying parties of the tests ($lock)"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$lock"
    cp "$lock" .venv/installed.txt
fi

# The package would start a server besides, so only the tool is taken out of it.
if [ "$goal" = test ] && ! command -v promtool >/dev/null && [ ! -x .tools/promtool ]; then
    say "taking promtool out of Debian's package prometheus; nothing of it is installed"
    [ -n "$(apt-cache search --names-only '^prometheus$')" ] || "${as_root[@]}" apt-get update -qq
    package=$(mktemp -d)
    trap 'rm -rf "$package"' EXIT
    # apt gives up root for the download, where it can.
    chmod 0777 "$package"
    (cd "$package" && apt-get download -qq prometheus && dpkg-deb --extract prometheus_*.deb .)
    mkdir -p .tools
    mv "$package/usr/bin/promtool" .tools/promtool
fi
