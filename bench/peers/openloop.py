"""A round at a rate that the proxy can do: latency from the intended time of each request; with
and without swaps of the configuration meanwhile."""

import json
import subprocess
import threading
import time

import machine
import rounds
from machine import BenchError
from report import Column

SKIP_MS = 500      # of load, before the figures count
TIMEOUT_MS = 3000
SEED = 1           # the same arrivals for all
SWAP_SECONDS = 1.0
SETTLE = 2.0       # seconds until memory counts after a change of the configuration

_LATENCY = [Column("p50 us", "p50_us", ",.0f"), Column("p99 us", "p99_us", ",.0f"),
            Column("p99.9 us", "p999_us", ",.0f")]
_STALL = Column("longest stall ms", "stall_ms", ".1f")
RATE = [*_LATENCY, Column("p50", "p50_us", ".2f", "ratio"), Column("p99", "p99_us", ".2f", "ratio"),
        Column("CPU us/request", "cpu_us", ".1f"), Column("CPU", "cpu_us", ".2f", "ratio"), _STALL]
SWAP = [_LATENCY[2], Column("p99.9", "p999_us", ".2f", "ratio"), *_LATENCY[:2],
        Column("swaps in force", "swaps", ".0f"), Column("RSS MB before", "before_mb", ".1f"),
        Column("grown", "grown_mb", ".1f"), Column("shrunk", "shrunk_mb", ".1f"),
        Column("CPU us/request", "cpu_us", ".1f"), _STALL]


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Load:
    """`rate` requests a second, Poisson. Load and upstreams need little of their core at this rate:
    they run before whatever else is busy there, a control plane for instance."""

    def __init__(self, bench, rate):
        self.bench, self.rate = bench, rate

    def __call__(self, contender, seconds):
        """Its figures; any failure is a BenchError."""
        path = f"@{contender.paths}" if contender.paths else contender.path
        command = [self.bench.binaries / "bench-scenario-load", contender.port, self.rate, SKIP_MS,
                   seconds, "GET", path, TIMEOUT_MS, SEED, machine.PROXY_CORE, machine.LOAD_CORE]
        child = subprocess.Popen(machine.pinned(command, machine.LOAD_CORE),
                                 stdout=subprocess.PIPE, text=True)
        try:
            with machine.preferred(self.bench.process.pid):
                machine.before_others(child.pid)
                output, _ = child.communicate(timeout=seconds + 30)
        finally:
            child.kill()
            child.wait()
        result = json.loads(output.splitlines()[-1])
        if result["failures"] or not 0 < result["ok"] == result["offered"]:
            raise BenchError(f"{contender.name}: failed requests {result['failures']} of "
                             f"{result['offered']}, {result['ok']} were answered")
        if result["body_bytes"] != result["ok"] * contender.body:
            raise BenchError(f"{contender.name}: {result['body_bytes']} bytes of {result['ok']} "
                             f"answers, expected {contender.body} each")
        ordered = [ms * 1000 for ms in result["latencies_ms"]]
        return {"issued": result["issued"], "stall_ms": result["stall_ms"],
                **{f"{name}_us": percentile(ordered, share)
                   for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}}


def measured(contender, seconds, load):
    """Figures of the load, and of the process under it."""
    with machine.Metered(contender.process) as meter:
        figures = load(contender, seconds)
    return {**figures, "cpu_us": sum(meter.cpu()) / figures["issued"] * 1e6, "others": meter.share}


class Rate:
    def __init__(self, bench, rate):
        self.load = Load(bench, rate)

    def __call__(self, contender, seconds):
        with rounds.started(contender):
            checks = contender.check()
            figures = measured(contender, seconds, self.load)
            rounds.require_log(contender, checks + figures["issued"])
        return figures


class Swapper(threading.Thread):
    """Publishes the two policies in turn, about one a second."""

    def __init__(self, control, environment, folders):
        super().__init__(daemon=True)
        self.control, self.environment, self.folders = control, environment, folders
        self.over, self.published, self.failure = threading.Event(), 0, None

    def run(self):
        began = 0.0
        while not self.over.wait(max(0.0, began + SWAP_SECONDS - time.monotonic())):
            began = time.monotonic()
            try:
                self.control.publish(self.environment, self.folders[(self.published + 1) % 2],
                                     "--wait")
            except BenchError as error:
                self.failure = error
                return
            self.published += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


class Swap:
    """10 routes, then many, load, 10 again. `small` and each of `large` is (folder, paths)."""

    def __init__(self, bench, rate, small, large):
        self.load, self.control = Load(bench, rate), bench.control
        self.small, self.large = small, large

    def __call__(self, contender, seconds):
        def resident():
            return machine.memory(contender.process.pid)["rss"] / 2**20
        folder, contender.paths = self.small
        self.control.publish(contender.environment, folder)  # after a round that failed
        with rounds.started(contender):
            requests = contender.check()
            requests += self.load(contender, 1)["issued"]  # with what it needs at first use
            before = resident()
            requests += self._become(contender, self.large[0])
            if contender.swaps:
                figures = self._swapped(contender, seconds)
            else:
                figures = {**measured(contender, seconds, self.load), "swaps": 0}
            grown = resident()
            requests += figures["issued"] + self._become(contender, self.small)
            requests += self.load(contender, 1)["issued"]
            shrunk = resident()
            rounds.require_log(contender, requests)
        return {**figures, "before_mb": before, "grown_mb": grown, "shrunk_mb": shrunk}

    def _become(self, contender, policy):
        folder, contender.paths = policy
        self.control.publish(contender.environment, folder, "--wait")
        checks = contender.check()
        time.sleep(SETTLE)
        return checks

    def _swapped(self, contender, seconds):
        before = contender.adopted()
        with Swapper(self.control, contender.environment,
                     [folder for folder, _ in self.large]) as swapper:
            figures = measured(contender, seconds, self.load)
            swaps = contender.adopted() - before
        adopted = contender.adopted() - before
        if swapper.failure or swaps == 0 or adopted != swapper.published:
            raise BenchError(f"{contender.name}: of {swapper.published} swaps {adopted} were in "
                             f"force, {swaps} under load. {swapper.failure or ''}")
        return {**figures, "swaps": swaps}
