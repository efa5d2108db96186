#!/usr/bin/env bash
# Process 1 of a root of its own (tests/package/in_root.sh): boots systemd, which runs `bash SCRIPT` and ends with its exit status.
set -euo pipefail
script=$1
# Nothing that this machine starts, and no disk that it mounts.
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.requires
: >/etc/fstab
cat >/etc/systemd/system/jkeys-test.service <<END
[Unit]
After=basic.target
Requires=basic.target
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
ExecStart=bash $script
Environment=HOME=/root LANG=C.UTF-8
TimeoutStartSec=300
StandardOutput=append:/mnt/said
StandardError=inherit
END
exec /usr/lib/systemd/systemd --unit=jkeys-test.service --log-level=warning --log-target=console --show-status=no
