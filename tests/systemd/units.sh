#!/usr/bin/env bash
# Runs under a systemd of its own (boot.sh): the package is installed, a fleet of a leader and one node is founded as README.md says, and
# the units do what their comments promise.
set -euo pipefail
umask 022

said=/tmp/said
fail() {
    echo "systemd: $1"
    [ ! -s "$said" ] || sed 's/^/  said: /' "$said"
    journalctl --no-pager -o cat -n 60 -u jkeys-leader -u jkeys-agent | sed 's/^/  journal: /'
    exit 1
}
says() { grep -qF -- "$1" "$said" || fail "it does not say: $1"; }
does() { "$@" >"$said" 2>&1 || fail "failed: $*"; }
refuses() { ! "$@" >"$said" 2>&1 || fail "was not refused: $*"; }
until_so() {
    for _ in $(seq 300); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    fail "did not come within 30 s: $*"
}
is() { [ "$(systemctl show -P "$2" "jkeys-$1.service")" = "$3" ] || fail "$2 of jkeys-$1 is not $3 but $(systemctl show -P "$2" "jkeys-$1.service")"; }
journal() { journalctl --no-pager -o cat -u "jkeys-$1" >"$said"; }
logged() { journal agent && grep -qF -- "$1" "$said"; }
status_of() { grep "^$2:" "/proc/$(systemctl show -P MainPID "jkeys-$1.service")/status" | cut -f 2; }
drop_in() {
    install -D -m 644 "/usr/share/doc/jkeys/examples/$1" "/etc/systemd/system/jkeys-agent.service.d/$1"
    does systemctl daemon-reload
}
restart_agent() { does systemctl restart jkeys-agent; }
live=/var/lib/jkeys/agent/live

echo "systemd: a fleet is founded as README.md says"
does dpkg -i /mnt/jkeys.deb
does jkeys init leader
sed -i -e 's/^#advertise = .*/advertise = ["127.0.0.1:7443"]/' -e 's/^alg = .*/alg = "ES256"/' /etc/jkeys/leader.toml
does systemctl enable --now jkeys-leader
does jkeys node token vm-1
grep -v '^note' "$said" >/tmp/token
does jkeys init agent
does jkeys enroll --token-file /tmp/token
does timeout 60 systemctl enable --now jkeys-agent
# READY=1 comes once a view is in place.
[ -s $live/private.jwks.json ] || fail "the agent is up without a view"
for role in leader agent; do
    is $role ActiveState active
    is $role NotifyAccess main
    is $role NoNewPrivileges yes
    is $role Result success
    [ "$(status_of $role Seccomp)" = 2 ] || fail "jkeys-$role runs without a filter of system calls"
    [ "$(status_of $role NoNewPrivs)" = 1 ] || fail "jkeys-$role can gain privileges"
    [ "$(status_of $role CapBnd)" = 0000000000000000 ] || fail "jkeys-$role has capabilities"
    [ "$(stat -c %U "/proc/$(systemctl show -P MainPID jkeys-$role)")" = jkeys-$role ] || fail "jkeys-$role runs as somebody else"
done
pid=$(systemctl show -P MainPID jkeys-agent)
nsenter -t "$pid" -m sh -c '! touch /etc/written 2>/dev/null && ! [ -e /root/.profile ] && touch /var/lib/jkeys/agent/.written && rm /var/lib/jkeys/agent/.written' \
    || fail "the agent sees another file system than its unit says"
[ "$(stat -c '%a %U' /var/lib/jkeys/leader /var/lib/jkeys/agent /run/jkeys | tr '\n' ' ')" = "700 jkeys-leader 711 jkeys-agent 711 jkeys-leader " ] \
    || fail "the folders have other modes or owners: $(stat -c '%a %U' /var/lib/jkeys/leader /var/lib/jkeys/agent /run/jkeys | tr '\n' ' ')"
[ "$(stat -c '%a %U:%G' /run/jkeys/leader.sock)" = "660 jkeys-leader:jkeys-admin" ] || fail "the admin socket is not the group's: $(stat -c '%a %U:%G' /run/jkeys/leader.sock)"
[ "$(stat -c '%a %U' /etc/jkeys/master.key)" = "600 root" ] || fail "the master key is not root's alone"

echo "systemd: reload, restart and crash"
does systemctl reload jkeys-leader
does systemctl reload jkeys-agent
kill -KILL "$(systemctl show -P MainPID jkeys-agent)"
until_so sh -c 'systemctl show -P NRestarts jkeys-agent | grep -qx 1'
until_so systemctl is-active --quiet jkeys-agent

echo "systemd: a backup after each snapshot, a lost database, and a new master key, as README.md says"
printf '[backup]\nargv = ["/usr/bin/jkeys", "backup", "--force", "/tmp/newest.backup"]\n' >>/etc/jkeys/leader.toml
does systemctl restart jkeys-leader
until_so test -s "/proc/$(systemctl show -P MainPID jkeys-leader)/root/tmp/newest.backup"
does systemctl stop jkeys-leader
rm -r /var/lib/jkeys/leader/db
refuses systemctl start jkeys-leader
journal leader
says "move it away, and DIR into its place"
does jkeys restore "$(sed -n 's/.*The newest snapshot is //p' "$said" | tail -n 1)" --to /var/lib/jkeys/leader-2
mv /var/lib/jkeys/leader /var/lib/jkeys/leader-lost
mv /var/lib/jkeys/leader-2 /var/lib/jkeys/leader
systemctl reset-failed jkeys-leader
does systemctl start jkeys-leader
[ "$(stat -c %U /var/lib/jkeys/leader/anchor)" = jkeys-leader ] || fail "the restored folder is not the leader's"
until_so jkeys audit adopt --comment "the database was lost"
does systemctl stop jkeys-leader
does jkeys keystore rekey --new-key /etc/jkeys/master-2.key --to /var/lib/jkeys/leader-2
mv /var/lib/jkeys/leader /var/lib/jkeys/leader-old
mv /var/lib/jkeys/leader-2 /var/lib/jkeys/leader
mv /etc/jkeys/master.key /etc/jkeys/master-old.key
mv /etc/jkeys/master-2.key /etc/jkeys/master.key
does systemctl start jkeys-leader
does jkeys history --action rekeyed
says "written again under another master key"

echo "systemd: the keys of keystore and cache as encrypted credentials"
install -d -m 700 /etc/credstore.encrypted
does systemd-creds encrypt --name=master-key /etc/jkeys/master.key /etc/credstore.encrypted/master-key
does systemd-creds encrypt --name=cache-key /var/lib/jkeys/agent/cache.key /etc/credstore.encrypted/cache-key
mv /etc/jkeys/master.key /etc/jkeys/master-old.key
rm /var/lib/jkeys/agent/cache.key
# As the comments of the units say.
for role in leader agent; do
    install -d "/etc/systemd/system/jkeys-$role.service.d"
    { echo '[Service]' && sed -n 's/^#\(LoadCredential\)/\1/p' "/usr/lib/systemd/system/jkeys-$role.service"; } \
        >"/etc/systemd/system/jkeys-$role.service.d/key.conf"
done
does systemctl daemon-reload
does systemctl restart jkeys-leader
does systemctl restart jkeys-agent
[ ! -e /var/lib/jkeys/agent/cache.key ] || fail "the agent has made a key of its own beside the credential"

echo "systemd: a hook of another user needs hooks.conf"
useradd --system oidc
cat >>/etc/jkeys/agent.toml <<'END'
[[hook]]
on = "swap"
user = "oidc"
argv = ["/usr/bin/sh", "-c", "id -un >/tmp/hook; grep CapEff /proc/self/status >>/tmp/hook; sleep 0"]
END
systemctl reload jkeys-agent || true
until_so logged "copy the drop-in hooks.conf to /etc/systemd/system/jkeys-agent.service.d/"
is agent ActiveState active
drop_in hooks.conf
restart_agent
hook=/proc/$(systemctl show -P MainPID jkeys-agent)/root/tmp/hook
until_so test -s "$hook"
[ "$(cat "$hook")" = "$(printf 'oidc\nCapEff:\t0000000000000000')" ] || fail "the hook did not run as oidc: $(cat "$hook")"

echo "systemd: an output of another owner, copies and views on a tmpfs need outputs.conf"
install -d -o jkeys-agent -g jkeys-agent /srv/op /srv/op/pem
cat >>/etc/jkeys/agent.toml <<'END'
[[output]]
format = "pem"
path = "pem"
owner = "oidc"
copy_to = "/srv/op/pem"
END
systemctl reload jkeys-agent || true
until_so logged "copy the drop-in outputs.conf to /etc/systemd/system/jkeys-agent.service.d/"
is agent ActiveState active
drop_in outputs.conf
# Only what needs a capability; the folder is still read-only for the unit.
restart_agent
until_so sh -c 'jkeys status | grep -F /srv/op/pem'
[ "$(stat -c %U $live/pem/active.pem)" = oidc ] || fail "the output is not its owner's"
sed -i 's|^# view_dir = .*|view_dir = "/run/jkeys-agent"|' /etc/jkeys/agent.toml
sed -i -e 's|^#ReadWritePaths=.*|ReadWritePaths=/srv/op|' -e 's|^#\(RuntimeDirectory\)|\1|' /etc/systemd/system/jkeys-agent.service.d/outputs.conf
does systemctl daemon-reload
restart_agent
live=/run/jkeys-agent/live
until_so test -s /srv/op/pem/active.pem
[ "$(stat -c '%U %a' /srv/op/pem/active.pem)" = "oidc 640" ] || fail "the copy is not its owner's: $(stat -c '%U %a' /srv/op/pem/active.pem)"
[ -s $live/pem/active.pem ] || fail "the views are not on the tmpfs"
[ ! -e /var/lib/jkeys/agent/views ] || fail "views are still on the disk"
restart_agent
[ -s $live/private.jwks.json ] || fail "the views did not stay over a restart"

echo "systemd: a revoked node erases, and comes back by a new enrolment"
does jkeys node revoke vm-1
until_so test ! -e $live/private.jwks.json
until_so test ! -e /srv/op/pem/active.pem
[ -s $live/jwks.json ] || fail "what is public went too"
is agent ActiveState active
does jkeys node token vm-2
grep -v '^note' "$said" >/tmp/token
does jkeys enroll --token-file /tmp/token
until_so test -s /srv/op/pem/active.pem

echo "systemd: an upgrade starts both anew; a purge asks for the leader to be stopped, then leaves no secret"
before=$(systemctl show -P MainPID jkeys-agent jkeys-leader)
does dpkg -i /mnt/jkeys.deb
until_so sh -c "systemctl is-active --quiet jkeys-agent jkeys-leader && [ '$before' != \"\$(systemctl show -P MainPID jkeys-agent jkeys-leader)\" ]"
cut -d '"' -f 4 <(grep -o '"d":"[^"]*"' $live/private.jwks.json) >/tmp/secrets
sed -n 2p /srv/op/pem/active.pem >>/tmp/secrets
cat /etc/jkeys/master-old.key >>/tmp/secrets
refuses dpkg -P jkeys
says "systemctl disable --now jkeys-leader"
systemctl is-active --quiet jkeys-leader jkeys-agent || fail "a refused purge has stopped a service"
does systemctl disable --now jkeys-leader
does dpkg -P jkeys
! systemctl is-active --quiet jkeys-agent || fail "the agent still runs"
[ ! -L /etc/systemd/system/multi-user.target.wants/jkeys-agent.service ] || fail "the agent is still enabled"
mv /tmp/secrets /mnt/secrets
if grep -rlFf /mnt/secrets /etc /run /srv /tmp /var >"$said" 2>/dev/null; then
    fail "a secret is still in one of these"
fi
[ -s /var/lib/jkeys/leader/segments/00000000000000000000.jsonl ] || fail "the audit log is gone"
