"""What is compared: the tables of each workload. In each, ratios refer to the first contender."""

import contenders as c
import idle
import machine
import openloop
import policies
import saturated
import starts
from rounds import Table

ALGORITHMS = ("HS256", "RS256", "ES256")
RATE, SWAP_RATE = 5000, 3000           # requests a second
FEW_ROUTES, SWAP_ROUTES, MANY_ROUTES = 10, 10_000, 100_000


def _varied(contender, **attributes):
    vars(contender).update(attributes)
    return contender


def _caller(bench, kind=c.Tollgate, name="Tollgate"):
    """The sidecar of a service that calls another, which has two instances."""
    deployed = bench.control.apply(bench.identity("ES256"), bench.upstreams)
    return kind(name, bench.new_directory(), bench.control, deployed, bench.upstreams, "caller")


def _haproxy(bench, name="HAProxy"):
    return c.HAProxy(name, bench.new_directory(), bench.upstreams)


def _nginx(bench, name="nginx"):
    return c.Nginx(name, bench.new_directory(), bench.upstreams)


def w1(bench):
    """HTTP/1.1 keep-alive, 1 KB, no policy: the proxy itself."""
    deployed = bench.control.apply(bench.identity("ES256"), bench.upstreams)
    every = [
        _haproxy(bench), _nginx(bench), _caller(bench),
        c.HAProxy("HAProxy, one upstream", bench.new_directory(), bench.upstreams[:1]),
        c.Tollgate("Tollgate inbound, public route, one upstream", bench.new_directory(),
                   bench.control, deployed, bench.upstreams, "bench"),
    ]
    return [Table(f"W1: {w1.__doc__}", every, saturated.measure, saturated.PER_REQUEST,
                  probed=True)]


def w2(bench):
    """Policy: token, consumer, permission, rate limit and JSON log, 64 clients."""
    one = bench.upstreams[:1]
    hs256 = bench.identity("HS256")
    none = _varied(c.HAProxy("HAProxy, no policy", bench.new_directory(), one), path="/items/7",
                   mode="shared", identity=hs256)
    every = [
        none,
        c.NginxRateAndLog("nginx rate+log, no JWT", bench.new_directory(), one, hs256, False),
        c.NginxRateAndLog("nginx rate+log buffered, no JWT", bench.new_directory(), one, hs256,
                          True),
    ]
    for mode, suffix in (("shared", ""), ("fresh", ", fresh tokens")):
        for alg in ALGORITHMS:
            key = bench.identity(alg)
            every += [
                c.HAProxyWithPolicy(f"HAProxy {alg}{suffix}", bench.new_directory(), one, key,
                                    mode),
                c.TollgateWithPolicy(f"Tollgate {alg}{suffix}", bench.new_directory(),
                                     bench.control, bench.upstreams, key, mode),
            ]
    return [Table(f"W2: {w2.__doc__}", every, saturated.measure, saturated.PER_REQUEST,
                  probed=True)]


def w5(bench):
    """Large bodies: CPU a gigabyte."""
    def every(size, connections):
        haproxy = _haproxy(bench)
        splicing = _varied(_haproxy(bench, "HAProxy splice-auto"),
                           default_line="option splice-auto")
        nginx = _varied(_nginx(bench, "nginx, 64 KB buffers"), buffers=(
            "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 256k; "
            "proxy_max_temp_file_size 0;"))
        return [_varied(one, path=f"/pair/bytes/{size}", body=size, connections=connections)
                for one in (nginx, haproxy, splicing, _caller(bench))]
    nginx, haproxy, splicing, tollgate = every(1 << 20, 16)
    return [Table(title, contenders, saturated.measure, saturated.PER_GB,
                  f"Target: Tollgate at most 1.05 of {contenders[0].name}.", probed=True)
            for title, contenders in (
                ("W5 64 KB: large bodies, 64 connections", every(64 << 10, 64)),
                ("W5 1 MB: large bodies, 16 connections", [splicing, haproxy, nginx, tollgate]))]


def idle_connections(bench):
    """Idle connections: private memory of 10,000 after one GET each."""
    machine.allow_files(idle.FILES)
    every = [idle.prepare(one) for one in (_nginx(bench), _haproxy(bench), _caller(bench))]
    return [Table(f"IDLE: {idle_connections.__doc__}", every, idle.measure, idle.COLUMNS,
                  "Targets: Tollgate at most 500 bytes a connection, and 12 MB PSS at start.")]


def rate(bench):
    """5,000 requests/s, Poisson; latency from the intended time."""
    every = [_haproxy(bench), _nginx(bench), _caller(bench)]
    return [Table(f"RATE: {rate.__doc__}", every, openloop.Rate(bench, RATE), openloop.RATE)]


def _paths(contender, name, count, distinct):
    return contender.write(name, "\n".join(policies.paths(count, distinct)) + "\n")


def _routed(bench, name, environment, count, distinct):
    """The sidecar of a service with so many routes."""
    deployed = bench.control.deploy(environment, lambda inbound, _: policies.documents(
        count, "5s", bench.upstreams[0], inbound))
    one = c.TollgateWithRoutes(name, bench.new_directory(), bench.control, deployed,
                               bench.upstreams, "bench")
    one.paths = _paths(one, "paths", count, distinct)
    return one


def routes(bench):
    """Requests spread over 100,000 paths: of 10 routes, and of a route each."""
    every = [_routed(bench, f"Tollgate, {count:,} routes", f"routes-{count}", count, MANY_ROUTES)
             for count in (FEW_ROUTES, MANY_ROUTES)]
    return [Table(f"ROUTES: {routes.__doc__}", every, saturated.measure, saturated.PER_REQUEST,
                  "Target: 100,000 routes at most 1.1 of 10.", probed=True)]


def swap(bench):
    """3,000 requests/s to 10,000 routes, all of which change about once a second, or never."""
    every = [_routed(bench, name, "swap", FEW_ROUTES, SWAP_ROUTES)
             for name in ("Tollgate, no swaps", "Tollgate, swaps")]
    every[1].swaps = True
    inbound = every[0].port
    paths = _paths(every[0], "large-paths", SWAP_ROUTES, SWAP_ROUTES)
    small, *large = [bench.control.write(f"swap-{count}-{timeout}", policies.documents(
        count, timeout, bench.upstreams[0], inbound))
        for count, timeout in ((FEW_ROUTES, "5s"), (SWAP_ROUTES, "5s"), (SWAP_ROUTES, "6s"))]
    measure = openloop.Swap(bench, SWAP_RATE, (small, every[0].paths),
                            [(folder, paths) for folder in large])
    return [Table(f"SWAP: {swap.__doc__}", every, measure, openloop.SWAP,
                  "Targets: p99.9 with swaps at most 1.2 of without; memory comes back when the "
                  "configuration has shrunk.")]


def start(bench):
    """From exec to the first answer; Tollgate on its last good policy, without its control plane."""
    every = [_haproxy(bench), _nginx(bench), _caller(bench, c.TollgateAlone)]
    return [Table(f"START: {start.__doc__}", every, starts.measure, starts.COLUMNS,
                  "Target: Tollgate at most 30 ms.", least_rounds=starts.ROUNDS)]


WORKLOADS = {"W1": w1, "W2": w2, "W5": w5, "IDLE": idle_connections, "RATE": rate,
             "ROUTES": routes, "SWAP": swap, "START": start}
DEFAULT = ["W1", "W2"]
