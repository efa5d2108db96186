#!/usr/bin/env bash
# Builds the Debian package, target/debian/jkeys_VERSION_ARCHITECTURE.deb: `package.sh [PROGRAM]`, of a release that it builds where no
# program is named. The same sources and program give the same bytes. DEBFULLNAME and DEBEMAIL say who maintains it.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-}
if [ -z "$program" ]; then
    cargo build --release --locked
    program=target/release/jkeys
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
put() { # put MODE FILE PLACE
    install -D -m "$1" "$2" "$root$3"
}

put 755 "$program" /usr/bin/jkeys
for unit in deploy/systemd/*.service; do
    put 644 "$unit" "/usr/lib/systemd/system/${unit##*/}"
done
put 644 deploy/sysusers.d/jkeys.conf /usr/lib/sysusers.d/jkeys.conf
doc=/usr/share/doc/jkeys
for file in README.md SECURITY.md CHANGELOG.md deploy/debian/copyright; do
    put 644 "$file" "$doc/${file##*/}"
done
for example in deploy/systemd/*.conf deploy/systemd/*.rules deploy/prometheus/*.yml; do
    put 644 "$example" "$doc/examples/${example##*/}"
done

# The libraries that the program is linked with, by the packages that have them here.
mkdir "$work/debian"
printf 'Source: jkeys\n\nPackage: jkeys\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e root/usr/bin/jkeys 2>"$work/said") || {
    cat "$work/said" >&2
    exit 1
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
architecture=$(dpkg --print-architecture)
mkdir "$root/DEBIAN"
(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$work/md5sums"
put 644 "$work/md5sums" /DEBIAN/md5sums
sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$architecture|" \
    -e "s|@MAINTAINER@|${DEBFULLNAME:-jkeys} <${DEBEMAIL:-jkeys@localhost}>|" \
    -e "s|@KIBIBYTES@|$(du -sk --apparent-size "$root/usr" | cut -f 1)|" \
    -e "s|@DEPENDS@|${depends#shlibs:Depends=}|" deploy/debian/control >"$work/control"
put 644 "$work/control" /DEBIAN/control
for script in postinst prerm postrm; do
    put 755 "deploy/debian/$script" "/DEBIAN/$script"
done

mkdir -p target/debian
package=target/debian/jkeys_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
