#!/usr/bin/env bash
# The Debian package: what is in it, and what its scripts do when dpkg runs them, above all which secrets a purge leaves.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
    echo "package: skipped: $1"
    [ -z "${JKEYS_TEST_SKIPPED:-}" ] || echo "package: $1" >>"$JKEYS_TEST_SKIPPED"
    exit 0
}
command -v dpkg-shlibdeps >/dev/null || skip "dpkg is not installed here"
! dpkg -s jkeys >/dev/null 2>&1 || skip "jkeys is installed on this machine, and so in every copy of its root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
why=$(tests/package/in_root.sh "$work" true) || { [ $? = 77 ] && skip "$why"; }

cargo build --locked --quiet
strip --strip-debug -o "$work/jkeys" target/debug/jkeys
# Nothing that the program says of itself changes by that, and an archive without compression is quick.
export DPKG_DEB_COMPRESSOR_TYPE=none
for copy in 1 2; do
    cp "$(scripts/package.sh "$work/jkeys")" "$work/jkeys-$copy.deb"
    touch "$work/jkeys"
done
cmp "$work/jkeys-1.deb" "$work/jkeys-2.deb"
mv "$work/jkeys-1.deb" "$work/jkeys.deb"
rm "$work/jkeys-2.deb" "$work/jkeys"
cp tests/package/scripts.sh "$work"
tests/package/in_root.sh "$work" bash /mnt/scripts.sh
echo "package: ok: installed, upgraded, removed and purged by dpkg; a purge left the public files and the audit log, and no secret"
