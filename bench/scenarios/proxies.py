"""Tollgate, HAProxy and nginx, each configured for one scenario as its expert would."""

import pathlib
import re
import subprocess

import contenders
import machine
from machine import BenchError

# Of Tollgate's Service in every scenario, unless it says otherwise: as for the peers, three errors in
# a row are enough; and who fails a fifth of its requests is taken out though never three in a row.
SERVICE = {"outlier_detection": "{consecutive_errors: 3, interval: 1s, failure_percentage: "
                                "{threshold: 20, min_hosts: 3, min_volume: 20}}"}

CONFIG = pathlib.Path(__file__).parent / "config"


def fill(template, **values):
    """The template with every @NAME@ replaced; a name without a value is an error."""
    text = (CONFIG / template).read_text()
    return re.sub(r"@([A-Z0-9]+)@", lambda m: str(values[m.group(1)]), text)


class Proxy(contenders.Contender):
    """`scenario` is a suite.Scenario; `ports` are those of its instances."""

    def __init__(self, directory, ports, scenario):
        super().__init__(self.kind, directory, ports[:scenario.instances])
        self.scenario = scenario


class Tollgate(Proxy):
    """The shipped sidecar of the calling service; its policy is compiled by tollgatectl."""

    kind = "Tollgate"

    def __init__(self, directory, ports, scenario, binaries):
        super().__init__(directory, ports, scenario)
        self.binaries = pathlib.Path(binaries)
        self.log = self.directory / "access.log"
        caller = self._caller()
        # An older build, compared with this one, may not know what is newer.
        for service in ({**SERVICE, **scenario.policy},
                        {"outlier_detection": "{consecutive_errors: 3}", **scenario.policy}):
            documents = self.write("policy.yaml", fill(
                "tollgate.yaml", ENDPOINTS="\n".join(self._endpoint(i) for i in range(len(ports))),
                SERVICE="\n".join(f"{k}: {v}" for k, v in service.items()), CALLER=caller,
                LOCAL=ports[0], OUTBOUND=self.port))
            done = subprocess.run(
                [self.binaries / "tollgatectl", "translate", "-f", documents, "--service", "caller",
                 "--instance", "caller-1"], capture_output=True, text=True)
            if "unknown field" not in done.stderr + done.stdout:
                break
        if done.returncode != 0:
            raise BenchError(f"tollgatectl translate: {done.stdout}{done.stderr}")
        self.policy = self.write("policy.json", done.stdout)

    def _endpoint(self, number):
        if number >= len(self.upstreams):
            return ""
        zone = ""
        if self.scenario.local:
            zone = f", zone: {'here' if number in self.scenario.local else 'there'}"
        return (f"  - {{address: 127.0.0.1:{self.upstreams[number]}, instance: shop-{number}"
                f"{zone}}}")

    def _caller(self):
        if not self.scenario.local:
            return ""
        # Callers run in both zones.
        here, there = machine.free_port(), machine.free_port()
        return (f"endpoints:\n  - {{address: 127.0.0.1:{here}, instance: caller-1, zone: here}}\n"
                f"  - {{address: 127.0.0.1:{there}, instance: caller-2, zone: there}}\n"
                f"local: 127.0.0.1:{self.upstreams[0]}")

    def launch(self):
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [self.binaries / "tollgate-proxy", "--workers", 1, "--node", "caller-1",
                 "--service", "caller", "--policy", self.policy, "--access-log", self.log],
                machine.PROXY_CORE, stderr=err)


class HAProxy(Proxy):
    kind = "HAProxy"

    def launch(self):
        def servers(numbers):
            return "\n".join(f"    server s{i} 127.0.0.1:{self.upstreams[i]}" for i in numbers)
        every, local = range(len(self.upstreams)), self.scenario.local
        # Open-source zones: while the local servers can carry it, none of the others.
        config = self.write("haproxy.cfg", fill(
            "haproxy.cfg", PORT=self.port, EVERYWHERE=servers(every), LOCAL=servers(local or every),
            MOST=max(1, len(local) - 1), SERVER=self.scenario.haproxy))
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [contenders.program("haproxy"), "-db", "-f", config], machine.PROXY_CORE,
                stdout=err, stderr=err)


class Nginx(Proxy):
    kind = "nginx"

    def launch(self):
        local = self.scenario.local or range(len(self.upstreams))
        servers = [f"    server 127.0.0.1:{port} max_fails=3 fail_timeout=10s"
                   f"{'' if i in local else ' backup'};" for i, port in enumerate(self.upstreams)]
        config = self.write("nginx.conf", fill("nginx.conf", PORT=self.port, DIR=self.directory,
                                               SERVERS="\n".join(servers)))
        self.process = machine.Process(
            [contenders.program("nginx"), "-p", self.directory, "-c", config], machine.PROXY_CORE)
