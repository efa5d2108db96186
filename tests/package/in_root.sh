#!/usr/bin/env bash
# Runs a command as root in a root of its own: this machine's files under an overlay in memory, with processes, network, names and control
# groups of its own, the command being process 1. What it does there is gone with it. `in_root.sh FOLDER COMMAND...`: FOLDER stands there
# as /mnt. It ends with 77 where this machine can't do that, and says why.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    cannot() {
        echo "$1"
        exit 77
    }
    [ "$(id -u)" = 0 ] || cannot "only root can make a root of its own"
    command -v unshare >/dev/null || cannot "unshare is not installed here"
    unshare -m -p -f -n -u -i -C true 2>/dev/null || cannot "this machine lets nobody make namespaces"
    groups=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
    [ -n "$groups" ] || cannot "control groups of version 2 are not mounted here"
    work=$(mktemp -d)
    group=$groups/jkeys-test-${work##*.}
    mkdir "$group" || cannot "no control group can be made in $groups"
    trap 'find "$group" -depth -type d -exec rmdir {} + ; rmdir "$work"' EXIT
    status=0
    # A group of its own from the first process on: it is the root of what is seen inside.
    sh -c 'echo $$ >"$0/cgroup.procs" && exec unshare -m -p -f -n -u -i -C --kill-child -- "$@"' \
        "$group" "$0" --inside "$work" "$@" || status=$?
    exit "$status"
fi

work=$2 folder=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$work"
root=$work/root
mkdir "$work/upper" "$work/scratch" "$root"
if ! mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" overlay "$root"; then
    echo "this machine has no overlay file system"
    exit 77
fi
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for place in dev run tmp; do
    mount -t tmpfs -o mode=755 tmpfs "$root/$place"
done
chmod 1777 "$root/tmp"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount --bind "$folder" "$root/mnt"
# The way from one process here to another; there is no other network.
python3 - <<'END'
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
END
cd "$root"
pivot_root . .
umount -l .
cd /
# As a machine's own systemd does it: credentials of a service are mounted where only that passes them on.
mount --make-rshared /
exec env -i container=jkeys HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
