"""What is compared: the contenders of each workload. The first is what ratios refer to."""

import contenders as c

ALGORITHMS = ("HS256", "RS256", "ES256")


def w1(bench):
    """HTTP/1.1 keep-alive, 1 KB, no policy: the proxy itself."""
    two, one = bench.upstreams, bench.upstreams[:1]
    any_key = bench.identity("ES256")
    result = [
        c.HAProxy("HAProxy", bench.new_directory(), two),
        c.Nginx("nginx", bench.new_directory(), two),
        c.Tollgate("Tollgate", bench.new_directory(), bench.control, any_key, two, "caller"),
        c.HAProxy("HAProxy, one upstream", bench.new_directory(), one),
        c.Tollgate("Tollgate inbound, public route, one upstream", bench.new_directory(),
                   bench.control, any_key, two, "bench"),
    ]
    return result


def w2(bench):
    """Policy: token, consumer, permission, rate limit and JSON log, 64 clients."""
    one = bench.upstreams[:1]
    hs256 = bench.identity("HS256")
    none = c.HAProxy("HAProxy, no policy", bench.new_directory(), one)
    none.path, none.mode, none.identity = "/items/7", "shared", hs256
    result = [
        none,
        c.NginxRateAndLog("nginx rate+log, no JWT", bench.new_directory(), one, hs256, False),
        c.NginxRateAndLog("nginx rate+log buffered, no JWT", bench.new_directory(), one, hs256,
                          True),
    ]
    for mode, suffix in (("shared", ""), ("fresh", ", fresh tokens")):
        for alg in ALGORITHMS:
            key = bench.identity(alg)
            result += [
                c.HAProxyWithPolicy(f"HAProxy {alg}{suffix}", bench.new_directory(), one, key,
                                    mode),
                c.TollgateWithPolicy(f"Tollgate {alg}{suffix}", bench.new_directory(),
                                     bench.control, bench.upstreams, key, mode),
            ]
    return result


WORKLOADS = {"W1": w1, "W2": w2}
