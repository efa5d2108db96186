"""A real leader and one real agent in a scratch folder, for tests that drive them from outside."""

import json
import socket
import subprocess
import sys
import time

WAITS_FOR = 60


def free_port():
    """A port of loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*words, **options):
    """What a command says; it must succeed."""
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **options)
    if ended.returncode != 0:
        sys.exit(f"{words[0]} failed: {' '.join(map(str, words))}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def until(what, is_so):
    """Waits until something is so, and returns it."""
    end = time.monotonic() + WAITS_FOR
    while time.monotonic() < end:
        try:
            found = is_so()
        except (OSError, ValueError):
            found = None
        if found:
            return found
        time.sleep(0.1)
    sys.exit(f"{what} did not come within {WAITS_FOR} s")


class Fleet:
    """`profiles` is what each says after its name; `agent` what agent.toml has besides its folder."""

    def __init__(self, jkeys, folder, profiles, agent):
        self.jkeys, self.folder, self.profiles, self.processes = jkeys, folder, profiles, {}
        port = free_port()
        tables = "".join(f'[[profile]]\nname = "{name}"\n{rest}\n' for name, rest in profiles.items())
        (folder / "leader.toml").write_text(
            f'listen = "127.0.0.1:{port}"\nadvertise = ["127.0.0.1:{port}"]\nstate_dir = "{folder}/leader"\n'
            f'master_key_file = "{folder}/master.key"\nadmin_socket = "{folder}/leader.sock"\nadmin_group = ""\n{tables}'
        )
        (folder / "agent.toml").write_text(f'state_dir = "{folder}/agent"\n{agent}')

    def leader_command(self, *words):
        return [self.jkeys, "--config", str(self.folder / "leader.toml"), *map(str, words)]

    def leader(self, *words):
        return run(*self.leader_command(*words))

    def start(self, role):
        log = open(self.folder / f"{role}.log", "a", encoding="utf-8")
        command = [self.jkeys, "--config", str(self.folder / f"{role}.toml"), role]
        self.processes[role] = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, *roles):
        """All of them, where none is named."""
        ending = [self.processes.pop(role) for role in roles or list(self.processes)]
        for process in ending:
            process.terminate()
        for process in ending:
            process.wait()

    def found(self):
        self.leader("init", "leader", "--dir", self.folder)
        self.start_leader()

    def start_leader(self):
        self.start("leader")
        until("the leader's answer", lambda: subprocess.run(self.leader_command("status"), capture_output=True, check=False).returncode == 0)

    def enroll(self):
        token = json.loads(self.leader("node", "token", "node", "--json"))["token"]
        run(self.jkeys, "--config", self.folder / "agent.toml", "enroll", "-", input=token)

    def join(self):
        self.found()
        self.enroll()
        self.start("agent")
        until("the confirmation of the node", self.has_confirmed)

    def has_confirmed(self):
        status = json.loads(self.leader("status", "--json"))
        confirmed = [node["confirmed"] == status["generation"] for node in status["nodes"]]
        return confirmed == [True] and len(self.private_keys("private.jwks.json")) == len(self.profiles)

    def private_keys(self, name):
        return json.loads((self.folder / "agent" / "live" / name).read_text())["keys"]
