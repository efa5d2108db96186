#!/usr/bin/env bash
# The units under a real systemd, sandboxed as they are shipped: see units.sh, which runs inside.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    echo "systemd: skipped: $1"
    [ -z "${JKEYS_TEST_SKIPPED:-}" ] || echo "systemd: $1" >>"$JKEYS_TEST_SKIPPED"
    exit 0
}
command -v dpkg-shlibdeps >/dev/null || skip "dpkg is not installed here"
[ -x /usr/lib/systemd/systemd ] || skip "systemd is not installed here"
! dpkg -s jkeys >/dev/null 2>&1 || skip "jkeys is installed on this machine, and so in every copy of its root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
why=$(tests/package/in_root.sh "$work" true) || { [ $? = 77 ] && skip "$why"; }

cargo build --locked --quiet
strip --strip-debug -o "$work/jkeys" target/debug/jkeys
cp "$(DPKG_DEB_COMPRESSOR_TYPE=none scripts/package.sh "$work/jkeys")" "$work/jkeys.deb"
cp tests/systemd/units.sh tests/systemd/boot.sh "$work"
if ! timeout -k 10 300 tests/package/in_root.sh "$work" bash /mnt/boot.sh /mnt/units.sh >"$work/console" 2>&1; then
    cat "$work/said" "$work/console" >&2 || true
    exit 1
fi
cat "$work/said"
echo "systemd: ok: leader and agent under systemd, sandboxed; drop-ins, a revocation, and a purge"
