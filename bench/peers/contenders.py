"""The proxies: how each is configured, started and asked whether it does its work."""

import http.client
import json
import pathlib
import random
import re
import secrets
import shutil
import subprocess
import urllib.request
from typing import NamedTuple

import identities
import machine
from machine import BenchError

CONFIG = pathlib.Path(__file__).parent / "config"


def fill(template, **values):
    """The template with every @NAME@ replaced; a name without a value is an error."""
    text = (CONFIG / template).read_text()
    return re.sub(r"@([A-Z0-9]+)@", lambda m: str(values[m.group(1)]), text)


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or name


class Contender:
    """One proxy under one configuration. `start` makes a fresh process; one is alive at a time."""

    path = "/pair/open/7"
    body = 1024        # bytes of the answer to `path`
    mode = "open"      # load.lua's
    identity = None    # whose tokens the load presents
    paths = None       # a file: what the load asks for instead of `path`
    connections = 64   # of the load
    most_connections = 4096  # that the proxy must take
    patience = 10.0    # seconds for a start
    log = None         # the access log, when there is one

    def __init__(self, name, directory, upstreams):
        self.name = name
        self.directory = pathlib.Path(directory) / re.sub(r"\W+", "-", name)
        self.directory.mkdir()
        self.upstreams = upstreams
        self.port = machine.free_port()
        self.process = None

    def start(self):
        if self.log and self.log.exists():
            self.log.unlink()
        self.launch()
        machine.wait_until(f"{self.name} accepts connections", self.ready, self.patience)

    def ready(self):
        self.process.require_alive()
        return machine.listening(self.port)

    def stop(self):
        self.process.stop()
        if self.log and self.log.exists():
            self.log.unlink()

    def prepare(self, seconds):
        """Before the first round; `seconds` of load in each."""
        if self.mode == "fresh":
            self.identity.make_fresh(seconds)

    def load_file(self):
        """What load.lua reads."""
        if self.mode == "paths":
            return self.paths
        if self.mode == "open":
            return None
        return self.identity.fresh if self.mode == "fresh" else self.identity.shared

    def launch(self):
        raise NotImplementedError

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def get(self, token=None, path=None):
        """The status of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"Host": "bench.example", "Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request("GET", path or self.path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status == 200 and len(body) != self.body:
            raise BenchError(f"{self.name}: the body has {len(body)} bytes, expected {self.body}")
        return response.status

    def check(self):
        """Proves on the fresh process that the work is done. Returns how many requests it took."""
        self.expect("an open request", 200)
        return 1

    def expect(self, what, status, **request):
        got = self.get(**request)
        if got != status:
            raise BenchError(f"{self.name}: {what} was answered {got}, expected {status}")

    def expect_limit(self, limit, **request):
        """`limit` requests pass, the next is one too many."""
        for _ in range(limit):
            self.expect("a request under the limit", 200, **request)
        self.expect("a request over the limit", 429, **request)
        return limit + 1

    def dropped(self):
        """Log lines that the proxy says it lost."""
        return 0


class WithPolicy:
    """Checks of a contender that verifies tokens; `identity` is set."""

    path = "/items/7"

    def check(self):
        one = self.identity
        self.expect("a valid token", 200, token=one.valid)
        self.expect("no token", 401)
        self.expect("a tampered token", 401, token=one.tampered())
        self.expect("an expired token", 401, token=one.expired)
        self.expect("a token without the permission", 403, token=one.unpermitted)
        self.expect("a token of an unknown consumer", 403, token=one.stranger)
        return 6 + self.expect_limit(identities.TIGHT_LIMIT, token=one.tight)


class HAProxy(Contender):
    policy = global_line = default_line = ""

    def launch(self):
        servers = [f"    server s{i} 127.0.0.1:{port}" for i, port in enumerate(self.upstreams)]
        config = self.write("haproxy.cfg", fill(
            "haproxy.cfg", PORT=self.port, SERVERS="\n".join(servers), POLICY=self.policy,
            GLOBAL=self.global_line, DEFAULT=self.default_line,
            CONNECTIONS=self.most_connections))
        with open(self.log or "/dev/null", "ab") as out, \
                open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process([program("haproxy"), "-db", "-f", config],
                                           machine.PROXY_CORE, stdout=out, stderr=err)


class HAProxyWithPolicy(WithPolicy, HAProxy):
    global_line = "log stdout format raw local0 info"

    def __init__(self, name, directory, upstreams, identity, mode):
        super().__init__(name, directory, upstreams)
        self.identity, self.mode = identity, mode
        self.log = self.directory / "access.log"
        limits = self.write("limits.map", identities.haproxy_limits())
        self.policy = fill("haproxy-policy.cfg", ALG=identity.alg, KEY=identity.haproxy_key,
                           ISSUER=identities.ISSUER, AUDIENCE=identities.AUDIENCE,
                           PERMISSION=identities.PERMISSION, LIMITS=limits)


class Nginx(Contender):
    values = {"POLICY": "  access_log off;", "LIMIT": "", "TIGHT": ""}
    buffers = ""

    def launch(self):
        servers = [f"    server 127.0.0.1:{port};" for port in self.upstreams]
        config = self.write("nginx.conf", fill(
            "nginx.conf", PORT=self.port, SERVERS="\n".join(servers), DIR=self.directory,
            CONNECTIONS=self.most_connections, BUFFERS=self.buffers, **self.values))
        self.process = machine.Process([program("nginx"), "-p", self.directory, "-c", config],
                                       machine.PROXY_CORE)


class NginxRateAndLog(Nginx):
    """What open-source nginx can: a limit and a log, keyed by the token, which it can't verify."""

    def __init__(self, name, directory, upstreams, identity, buffered):
        super().__init__(name, directory, upstreams)
        self.identity, self.mode = identity, "shared"
        self.log = self.directory / "access.log"
        buffering = " buffer=64k flush=1s" if buffered else ""
        self.values = {"POLICY": fill("nginx-policy.conf")
                       + f"  access_log {self.log} line{buffering};",
                       "LIMIT": "limit_req zone=wide burst=100000 nodelay;",
                       "TIGHT": f"limit_req zone=tight burst={identities.TIGHT_LIMIT - 1} nodelay;"}

    def check(self):
        self.expect("a request", 200, token=self.identity.valid)
        return 1 + self.expect_limit(identities.TIGHT_LIMIT, token=self.identity.tight,
                                     path="/tight/7")


class Deployed(NamedTuple):
    """An environment of the control plane, and the ports of its listeners."""

    environment: str
    inbound: int
    outbound: int


class ControlPlane:
    """tollgate-control for the whole run; one environment an algorithm or a set of routes."""

    def __init__(self, directory, binaries):
        self.directory = pathlib.Path(directory) / "control"
        self.directory.mkdir()
        self.binaries = pathlib.Path(binaries)
        self.socket = f"unix:{self.directory}/control.sock"
        self.admin = f"unix:{self.directory}/admin.sock"
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [self.binaries / "tollgate-control", "--data-dir", self.directory / "data",
                 "--listen", self.socket, "--admin", self.admin], machine.LOAD_CORE, stderr=err)
        machine.wait_until("tollgate-control is ready", self._ready)
        self.deployed = {}  # by environment

    def _ready(self):
        self.process.require_alive()
        return (self.directory / "admin.sock").exists()

    def deploy(self, environment, documents):
        """Once: `documents(inbound, outbound)` gives the YAML files of the policy."""
        if environment not in self.deployed:
            ports = machine.free_port(), machine.free_port()
            self.publish(environment, self.write(environment, documents(*ports)))
            self.deployed[environment] = Deployed(environment, *ports)
        return self.deployed[environment]

    def write(self, name, files):
        """A folder of documents."""
        folder = self.directory / name
        folder.mkdir()
        for number, text in enumerate(files):
            (folder / f"{number:03}.yaml").write_text(text)
        return folder

    def publish(self, environment, folder, *flags):
        """tollgatectl apply. What it says has a line for each field that changes: to a file."""
        said = self.directory / f"{environment}.apply"
        with open(said, "wb") as out:
            done = subprocess.run(
                machine.pinned([self.binaries / "tollgatectl", "--server", self.admin,
                                "--timeout", "120s", "--environment", environment, "apply", "-f",
                                folder, *flags], machine.LOAD_CORE),
                stdout=out, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise BenchError(f"tollgatectl apply: {said.read_text()[-2000:]}")

    def apply(self, identity, upstreams):
        """The policy of W1 and W2."""
        return self.deploy(identity.alg.lower(), lambda inbound, outbound: [fill(
            "tollgate.yaml", UPSTREAM1=upstreams[0], UPSTREAM2=upstreams[1], INBOUND=inbound,
            OUTBOUND=outbound, ISSUER=identities.ISSUER, AUDIENCE=identities.AUDIENCE,
            ALG=identity.alg, JWKS=identity.jwks, PERMISSION=identities.PERMISSION,
            CONSUMERS=identities.tollgate_consumers())])


class Tollgate(Contender):
    """The shipped sidecar, one worker, configured by the control plane, log and metrics on."""

    def __init__(self, name, directory, control, deployed, upstreams, service):
        super().__init__(name, directory, upstreams)
        self.environment = deployed.environment
        self.port = deployed.outbound if service == "caller" else deployed.inbound
        self.control, self.service = control, service
        self.control_socket = control.socket
        self.flags = []
        self.admin = machine.free_port()
        self.log = self.directory / "access.log"

    def launch(self):
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [self.control.binaries / "tollgate-proxy", "--workers", 1, "--node",
                 f"{self.service}-1", "--service", self.service, "--environment",
                 self.environment, "--control", self.control_socket, "--admin",
                 f"127.0.0.1:{self.admin}", "--access-log", self.log, *self.flags],
                machine.PROXY_CORE, stderr=err)

    def ready(self):
        # Listening comes with the first policy.
        return super().ready() and machine.listening(self.admin)

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as page:
            return page.read().decode()

    def dropped(self):
        found = re.search(r"^tollgate_access_log(?:_lines)?_dropped_total (\S+)$",
                          self.page("/metrics"), re.M)
        if not found:
            raise BenchError(f"{self.name}: /metrics does not count dropped log lines")
        return int(float(found.group(1)))


class TollgateWithPolicy(WithPolicy, Tollgate):
    def __init__(self, name, directory, control, upstreams, identity, mode):
        super().__init__(name, directory, control, control.apply(identity, upstreams), upstreams,
                         "bench")
        self.identity, self.mode = identity, mode


class TollgateAlone(Tollgate):
    """Starts on the last good policy that it keeps; its control plane is gone."""

    def prepare(self, seconds):
        self.flags = ["--state-dir", self.directory / "state", "--state-key-file",
                      self.write("state.key", secrets.token_hex(32))]
        (self.directory / "state.key").chmod(0o600)
        self.start()
        kept = self.directory / "state" / "policy.lkg"
        machine.wait_until(f"{self.name} keeps its policy", kept.exists)
        self.stop()
        self.control_socket = f"unix:{self.directory}/gone.sock"


class TollgateWithRoutes(Tollgate):
    """The sidecar beside the service, requests to all of its routes; `paths` has all of them."""

    mode = "paths"
    patience = 120.0
    swaps = False
    SAMPLE = 50

    def adopted(self):
        """How many policies have been in force since its start."""
        return json.loads(self.page("/stats"))["adopted"]

    def check(self):
        every = self.paths.read_text().split()
        for path in random.sample(every, self.SAMPLE):
            self.expect(f"GET {path}", 200, path=path)
        self.expect("a path without a route", 404, path=every[0] + "/none")
        return self.SAMPLE + 1
