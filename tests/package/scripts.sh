#!/usr/bin/env bash
# What dpkg does with the package, in a root of its own (in_root.sh), without systemd: a leader and a node have run here.
set -euo pipefail
umask 022

said=/tmp/said
fail() {
    echo "package: $1" >&2
    [ ! -s "$said" ] || sed 's/^/  said: /' "$said" >&2
    exit 1
}
there() { for path; do [ -e "$path" ] || fail "$path is not there"; done; }
gone() { for path; do ! [ -e "$path" ] || fail "$path is still there"; done; }
says() { grep -qF -- "$1" "$said" || fail "it does not say: $1"; }
does() { "$@" >"$said" 2>&1 || fail "failed: $*"; }
refuses() { ! "$@" >"$said" 2>&1 || fail "was not refused: $*"; }
as_agent() { setpriv --reuid=jkeys-agent --regid=jkeys-agent --init-groups "$@"; }
until_there() {
    for _ in $(seq 600); do
        [ ! -e "$1" ] || return 0
        sleep 0.1
    done
    sed 's/^/  /' /tmp/*.log >&2
    fail "$1 did not come"
}

live=/run/jkeys-agent/live

# A leader and one node, with every kind of private file, on their usual places but for the views.
run_fleet() {
    jkeys leader >/tmp/leader.log 2>&1 &
    leader=$!
    until_there /run/jkeys/leader.sock
    if [ ! -e /var/lib/jkeys/agent/identity.json ]; then
        jkeys node token node --json | sed 's/.*"token":"\([^"]*\)".*/\1/' | jkeys enroll -
    fi
    as_agent jkeys agent >/tmp/agent.log 2>&1 &
    agent=$!
    until_there /srv/op/keys.p12
    until_there $live/private.jwks.json
}

found_fleet() {
    install -d /etc/jkeys /run/jkeys /srv/keys
    install -d -o jkeys-agent -g jkeys-agent /srv/op /srv/op/pem /run/jkeys-agent
    echo "a long password" >/etc/jkeys/password
    chown jkeys-agent /etc/jkeys/password
    cat >/etc/jkeys/leader.toml <<'END'
advertise = ["127.0.0.1:7443"]
master_key_file = "/srv/keys/master.key"
[[profile]]
name = "web"
alg = "ES256"
END
    cat >/etc/jkeys/agent.toml <<'END'
view_dir = "/run/jkeys-agent"
[[output]]
format = "pkcs12"
path = "keys.p12"
password_file = "/etc/jkeys/password"
copy_to = "/srv/op/keys.p12"
[[output]]
format = "pem"
path = "pem"
copy_to = "/srv/op/pem"
[[output]]
format = "jwks"
path = "open.json"
copy_to = "/srv/op/open.json"
END
    jkeys init leader
}

end_fleet() {
    kill "$agent" "$leader"
    wait "$agent" "$leader" || true
}

# Everything that a machine keeps, by content; the accounts' own files too.
state() { find /var/lib/jkeys /srv /etc/jkeys -path /var/lib/jkeys/purge -prune -o -type f -print0 | sort -z | xargs -0 sha256sum; }

# What stands only where a secret is.
secrets_of() {
    grep -o '"d":"[^"]*"' $live/private.jwks.json | cut -d '"' -f 4
    sed -n 2p /srv/op/pem/active.pem
    openssl pkcs12 -in /srv/op/keys.p12 -nodes -nocerts -passin file:/etc/jkeys/password 2>/dev/null | sed -n '/BEGIN/{n;p;q}'
    cat /srv/keys/master.key /var/lib/jkeys/agent/cache.key
    sed -n 2p /var/lib/jkeys/agent/keys/tls-*.pem
    sed -n 2p /var/lib/jkeys/agent/keys/witness-*.pem
}

echo "package: install"
does dpkg -i /mnt/jkeys.deb
there /usr/bin/jkeys /usr/lib/systemd/system/jkeys-{agent,leader}.service /usr/share/doc/jkeys/examples/{hooks.conf,outputs.conf,polkit-reload.rules}
getent passwd jkeys-agent jkeys-leader >/dev/null && getent group jkeys-admin >/dev/null || fail "the accounts are not there"
[ -z "$(dpkg -L jkeys | xargs -d '\n' stat -c '%U:%G %a %F %n' | grep -v -e '^root:root 755 ' -e '^root:root 644 regular file')" ] || fail "an owner or mode is wrong"
for unit in agent leader; do
    [ "$(systemctl is-enabled jkeys-$unit.service 2>/dev/null)" = disabled ] || fail "jkeys-$unit was enabled"
done
does dpkg --verify jkeys

echo "package: a removal keeps everything, and what is installed again goes on"
found_fleet
run_fleet
secrets_of | grep -v '^$' | sort -u >/mnt/secrets
[ "$(wc -l </mnt/secrets)" -ge 6 ] || fail "too few secrets are known to look for"
end_fleet
state >/tmp/before
does dpkg -i /mnt/jkeys.deb
does dpkg -r jkeys
gone /usr/bin/jkeys
state | cmp - /tmp/before || fail "a removal has changed something"
does dpkg -i /mnt/jkeys.deb
gone /var/lib/jkeys/purge
run_fleet
end_fleet

echo "package: a leader that is meant to run is not removed"
does systemctl enable jkeys-leader.service
for act in -r -P; do
    refuses dpkg $act jkeys
    says "systemctl disable --now jkeys-leader"
    there /usr/bin/jkeys /srv/keys/master.key
done
does systemctl disable jkeys-leader.service

echo "package: where it is not known what to erase, nothing is, and it is asked for"
cp /etc/jkeys/agent.toml /tmp/agent.toml
echo "strange = 1" >>/etc/jkeys/agent.toml
does dpkg -r jkeys
says "strange: "
refuses dpkg -P jkeys
says "could not be found out"
there /srv/op/keys.p12 /etc/jkeys/agent.toml /srv/keys/master.key
cp /tmp/agent.toml /etc/jkeys/agent.toml
does dpkg -i /mnt/jkeys.deb

echo "package: a note of the agent takes away nothing that the agent could not"
touch /srv/of-another
as_agent sed -i 's|"copies": {|"copies": { "/srv/of-another": ["k"], "/srv/away/keys.pem": ["k"],|' /var/lib/jkeys/agent/written.json
as_agent touch /srv/op/.jkeys-tmp-0011
refuses dpkg -P jkeys
says "/srv/of-another"
says "could not be erased"
says "the folder of /srv/away/keys.pem is not there"
there /srv/of-another /etc/jkeys/agent.toml /srv/keys/master.key
rm /srv/of-another

echo "package: a purge leaves what is public and the audit log"
does dpkg -P jkeys
gone /etc/jkeys /srv/keys/master.key /srv/op/keys.p12 /srv/op/pem/active.pem /srv/op/.jkeys-tmp-0011 $live/private.jwks.json $live/pem
there $live/jwks.json /srv/op/open.json
[ "$(find /var/lib/jkeys -mindepth 1 -printf '%P ')" = "leader leader/segments leader/segments/00000000000000000000.jsonl " ] || {
    find /var/lib/jkeys >"$said"
    fail "/var/lib/jkeys holds something else"
}
if grep -rlFf /mnt/secrets /etc /run /srv /tmp /var >"$said" 2>/dev/null; then
    fail "a secret is still in one of these"
fi
dpkg -l jkeys 2>/dev/null | grep -q '^ii\|^rc' && fail "dpkg still knows the package"

echo "package: a machine that never was a leader or a node is left as it was"
rm -r /var/lib/jkeys
does dpkg -i /mnt/jkeys.deb
does dpkg -P jkeys
gone /var/lib/jkeys /etc/jkeys
