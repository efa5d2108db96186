"""A real HAProxy goes by /readyz of a real agent.

    readiness.py JKEYS

It sends nothing to a node that has no view yet, or that was taken out of its fleet, and goes on when only the leader is away.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "outputs"))

from fleet import Fleet, free_port, until


class Balancer:
    """HAProxy with one server behind it: the agent's own HTTP."""

    def __init__(self, folder, node):
        self.socket, self.port = folder / "haproxy.sock", free_port()
        config = folder / "haproxy.cfg"
        config.write_text(
            f"global\n    stats socket {self.socket}\n"
            "defaults\n    mode http\n    timeout connect 2s\n    timeout client 5s\n    timeout server 5s\n"
            f"frontend relying_parties\n    bind 127.0.0.1:{self.port}\n    default_backend op\n"
            "backend op\n    option httpchk GET /readyz\n    http-check expect status 200\n"
            f"    server node 127.0.0.1:{node} check inter 100ms fall 2 rise 2\n"
        )
        log = open(folder / "haproxy.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", str(config)], stdout=log, stderr=log)

    def server(self):
        """What HAProxy says of the node: its status, the kind of the last check and its code."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.socket))
            stats.sendall(b"show stat\n")
            said = b"".join(iter(lambda: stats.recv(1 << 16), b"")).decode()
        names, *rows = [line.split(",") for line in said.splitlines() if line]
        row = next(dict(zip(names, row)) for row in rows if row[:2] == ["op", "node"])
        return row["status"], row["check_status"].lstrip("* "), row["check_code"]

    def jwks(self):
        """What a relying party gets: the code and the bytes."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/jwks.json", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def main():
    jkeys = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        folder, node = pathlib.Path(scratch), free_port()
        fleet = Fleet(jkeys, folder, {"web": 'alg = "ES256"'}, f'[http]\nlisten = "127.0.0.1:{node}"\n')
        balancer = Balancer(folder, node)
        try:
            fleet.found()
            fleet.start("agent")
            refused = ("DOWN", "L7STS", "503")
            until("the refusal of a node without a view", lambda: balancer.server() == refused)
            assert balancer.jwks()[0] == 503

            fleet.enroll()
            until("a node that is ready", lambda: balancer.server()[0] == "UP")
            assert balancer.jwks() == (200, (folder / "agent" / "live" / "jwks.json").read_bytes())

            fleet.stop("leader")
            for _ in range(10):
                time.sleep(0.1)
                assert balancer.server()[0] == "UP" and balancer.jwks()[0] == 200, "a leader that is away"
            fleet.start_leader()

            fleet.leader("node", "revoke", "node")
            until("the refusal of a node that was revoked", lambda: balancer.server() == refused)
            assert balancer.jwks()[0] == 503
        finally:
            balancer.process.terminate()
            balancer.process.wait()
            fleet.stop()
    print("http: ok: HAProxy took a node in once it had a view, kept it without its leader, and left it once it was revoked")


main()
