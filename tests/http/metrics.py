"""promtool reads what a real agent shows to Prometheus.

    metrics.py JKEYS PROMTOOL

It finds no fault with its form, its names or its units, whatever the node has and lacks; and what the issue of a key asks for is there.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "outputs"))

from fleet import Fleet, free_port, until


class Page:
    """What one scrape gives."""

    def __init__(self, port, promtool):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            self.text = answer.read().decode()
        read = subprocess.run([promtool, "check", "metrics"], input=self.text, capture_output=True, text=True, check=False)
        if read.returncode != 0 or read.stdout or read.stderr:
            sys.exit(f"promtool: {read.stdout}{read.stderr}\n{self.text}")

    def value(self, name):
        """The value of the one line of this name, labels included; none where there is none."""
        found = [line.rsplit(" ", 1)[1] for line in self.text.splitlines() if line.rsplit(" ", 1)[0] == name]
        return float(found[0]) if found else None

    def lines(self, name):
        return [line for line in self.text.splitlines() if line.startswith(name + "{")]


def main():
    jkeys, promtool = os.path.abspath(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as scratch:
        folder, port = pathlib.Path(scratch), free_port()
        agent = (
            f'[http]\nlisten = "127.0.0.1:{port}"\n'
            f'[[hook]]\non = "swap"\nargv = ["/usr/bin/test", "-e", "{folder}/reloads"]\n'
            f'[[probe]]\nurl = "http://127.0.0.1:{port}/jwks.json"\n'
        )
        fleet = Fleet(jkeys, folder, {"web": 'alg = "ES256"', "api": 'alg = "ES384"'}, agent)
        try:
            fleet.found()
            fleet.start("agent")
            page = until("the first page", lambda: Page(port, promtool))
            assert page.value("jkeys_ready") == 0 and page.value("jkeys_live_generation") is None, page.text
            assert page.value("jkeys_certificate_remaining_seconds") is None, page.text

            fleet.enroll()
            failing = until("a hook that fails", lambda: Page(port, promtool).value('jkeys_hook_failures_total{event="swap"}'))
            assert failing >= 1
            page = Page(port, promtool)
            assert page.value("jkeys_view_confirmed") == 0 and page.value('jkeys_failing{what="hook"}') == 1, page.text

            (folder / "reloads").touch()
            until("the confirmation", lambda: Page(port, promtool).value("jkeys_view_confirmed") == 1)
            generation = json.loads(fleet.leader("status", "--json"))["generation"]
            page = until("the newest generation", lambda: (page := Page(port, promtool)).value("jkeys_live_generation") == generation and page)
            assert page.value("jkeys_served_after_seconds") is not None, page.text
            assert page.value("jkeys_epoch") == 1 and page.value("jkeys_generation") == generation, page.text
            assert page.value("jkeys_leader_connected") == 1 and page.value("jkeys_leader_silence_seconds") < 60, page.text
            assert page.value("jkeys_swap_duration_seconds_count") >= 1, page.text
            assert page.value('jkeys_refusals_total{reason="epoch"}') == 0, page.text
            days = page.value("jkeys_certificate_remaining_seconds") / 86400
            assert 29 < days <= 30.1, days
            # The certificates began five minutes, `clock_skew`, before their keys were made.
            ages = {line.split('profile="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in page.lines("jkeys_active_key_age_seconds")}
            assert ages.keys() == {"web", "api"} and all(300 <= age < 600 for age in ages.values()), page.text

            fleet.stop("leader")
            until("the loss of the leader", lambda: Page(port, promtool).value("jkeys_leader_connected") == 0)
            assert Page(port, promtool).value("jkeys_leader_streams_lost_total") >= 1
        finally:
            fleet.stop()
    print("http: ok: promtool found no fault with the metrics of a node before its first view, with a hook that fails, and confirmed")


main()
