"""Three times what an instance can do. Started by overload.sh, which builds; see README.md."""

import argparse
import json
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "peers"))

import contenders  # noqa: E402  of bench/peers
import machine  # noqa: E402
import proxies  # noqa: E402
import suite  # noqa: E402
import upstreams  # noqa: E402
import verdict  # noqa: E402
from machine import BenchError  # noqa: E402

SLOTS, SERVICE_MS = 8, 20
CAPACITY = SLOTS * 1000 // SERVICE_MS  # requests a second
GOOD_MS = 1000       # an answer later than this helps nobody
QUEUE_MS = 200       # what a request may wait for its turn, where that can be said
TIMEOUT_MS = 3000
SKIP_MS = 2000       # of load before the figures count
GOOD_ENOUGH = 0.90   # of the best goodput
FLAT = 1.10          # the memory of the last tenth over that of the second


class Tollgate(contenders.Contender):
    """The sidecar beside the instance, which knows what that can do (`service`: YAML)."""

    def __init__(self, name, directory, upstream, binaries, service):
        super().__init__(name, directory, [upstream])
        self.binaries = pathlib.Path(binaries)
        self.log = self.directory / "access.log"
        documents = self.write("policy.yaml", proxies.fill(
            "overload.yaml", UPSTREAM=upstream, INBOUND=self.port, SERVICE=service))
        done = subprocess.run(
            [self.binaries / "tollgatectl", "translate", "-f", documents, "--service", "shop",
             "--instance", "shop-1"], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"tollgatectl translate: {done.stdout}{done.stderr}")
        self.policy = self.write("policy.json", done.stdout)

    def launch(self):
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [self.binaries / "tollgate-proxy", "--workers", 1, "--node", "shop-1",
                 "--service", "shop", "--policy", self.policy, "--access-log", self.log],
                machine.PROXY_CORE, stderr=err)


class HAProxy(contenders.Contender):
    """Tells the server no more than it can do at once; the queue is bounded by time and length."""

    def launch(self):
        config = self.write("haproxy.cfg", proxies.fill(
            "overload.cfg", PORT=self.port, UPSTREAM=self.upstreams[0], SLOTS=SLOTS,
            QUEUE=CAPACITY * QUEUE_MS // 1000, QUEUEMS=QUEUE_MS))
        with open(self.directory / "stderr", "wb") as err:
            self.process = machine.Process(
                [contenders.program("haproxy"), "-db", "-f", config], machine.PROXY_CORE,
                stdout=err, stderr=err)


def every(directory, upstream, binaries):
    """The contenders; one whose policy this build does not know is left out, and named."""
    found, missing = [], []
    pending = CAPACITY * QUEUE_MS // 1000
    for name, service in (
            ("Tollgate, connections and pending",
             f"max_connections: {SLOTS}\nmax_pending: {pending}"),
            ("Tollgate, adaptive concurrency",
             "adaptive_concurrency: {min_rtt_interval: 10s}"),
            ("Tollgate, defaults", "")):
        try:
            found.append(Tollgate(name, directory, upstream, binaries, service))
        except BenchError as error:
            missing.append(f"{name}: {error}")
    return found + [HAProxy("HAProxy, maxconn and timeout queue", directory, [upstream])], missing


class Memory(threading.Thread):
    """Resident kilobytes of a process and its children, four times a second."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.samples, self.over = process, [], threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            total = 0
            for pid in machine.tree(self.process.pid):
                try:
                    status = pathlib.Path(f"/proc/{pid}/status").read_text()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                total += sum(int(l.split()[1]) for l in status.splitlines() if l.startswith("VmRSS"))
            self.samples.append(total)

    def end(self):
        self.over.set()
        self.join()
        return self.samples


def measure(proxy, port, binaries, chosen):
    instance = upstreams.Instance(binaries / "bench-scenario-upstream", port)
    try:
        instance.tell(f"service {SERVICE_MS * 1000} {SLOTS}")
        proxy.start()
        command = [binaries / "bench-scenario-load", proxy.port, CAPACITY * chosen.factor, SKIP_MS,
                   chosen.seconds, "GET", suite.PATH, TIMEOUT_MS, 1,
                   machine.PROXY_CORE, machine.LOAD_CORE]
        memory = Memory(proxy.process)
        memory.start()
        with machine.OtherLoad() as others:
            done = subprocess.run(machine.pinned(command, machine.LOAD_CORE), capture_output=True,
                                  text=True, timeout=chosen.seconds + 30)
        samples = memory.end()
        proxy.process.require_alive()
        result = json.loads(done.stdout.splitlines()[-1])
    finally:
        proxy.stop()
        instance.stop()
        if proxy.log and proxy.log.exists():
            proxy.log.unlink()
    good = sum(1 for ms in result["latencies_ms"] if ms <= GOOD_MS)
    tenth = max(1, len(samples) // 10)
    return {"goodput": good / chosen.seconds, "late": result["ok"] - good,
            "failures": result["failures"], "others": others.share,
            "rss_mb": [statistics.median(samples[tenth:2 * tenth] or samples) / 1024,
                       statistics.median(samples[-tenth:]) / 1024, max(samples) / 1024],
            "timeline": result["timeline"], **verdict.tail(result)}


def table(figures, best):
    lines = ["| proxy | goodput /s | of the best | p50 ms | p99 ms | p99.9 ms | too late | RSS MB "
             "early, late, most |", "|---|---|---|---|---|---|---|---|"]
    for name, f in figures.items():
        lines.append(f"| {name} | {f['goodput']:.0f} | {f['goodput'] / best * 100:.0f} % | "
                     f"{f['p50']:.0f} | {f['p99']:.0f} | "
                     f"{f['p999']:.0f} | {f['late']} | "
                     + ", ".join(f"{mb:.1f}" for mb in f["rss_mb"]) + " |")
    return "\n".join(lines)


def shortcomings(figures, best):
    """What Tollgate, protected, falls short of."""
    found = []
    for name, f in figures.items():
        if not name.startswith("Tollgate") or name.endswith("defaults"):
            continue
        if f["goodput"] < GOOD_ENOUGH * best:
            found.append(f"{name}: goodput {f['goodput']:.0f}/s, the best is {best:.0f}/s")
        if f["p99"] > GOOD_MS:
            found.append(f"{name}: p99 of what was admitted is {f['p99']:.0f} ms")
        early, late, _ = f["rss_mb"]
        if late > FLAT * early + 2:
            found.append(f"{name}: memory grew from {early:.1f} to {late:.1f} MB")
    return found


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/scenarios/overload.sh",
        description=f"An instance that can do {CAPACITY}/s is offered a multiple of it.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--factor", type=int, default=3, help="offered, over what can be done")
    parser.add_argument("--only", default="", help="proxies whose name has this text")
    parser.add_argument("--check", action="store_true",
                        help="exit code 1 when Tollgate falls short")
    parser.add_argument("--results", type=pathlib.Path, help="a file for all figures, as JSON")
    parser.add_argument("--bin", default="build/bin", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    chosen = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # by way of `finally`
    machine.before_others()
    tmpfs = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
    directory = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-overload-", dir=tmpfs))
    try:
        binaries, port = pathlib.Path(chosen.bin), machine.free_port()
        found, missing = every(directory, port, binaries)
        figures = {}
        for proxy in (p for p in found if chosen.only in p.name):
            print(f"{proxy.name}: {CAPACITY * chosen.factor}/s for {chosen.seconds} s",
                  file=sys.stderr, flush=True)
            f = figures[proxy.name] = measure(proxy, port, binaries, chosen)
            print(f"  {f['goodput']:.0f}/s good, {f['failures']}, others "
                  f"{f['others'] * 100:.0f} % of a core", file=sys.stderr, flush=True)
        # The best: what some contender reached, at the most what the instance can do.
        best = max(f["goodput"] for f in figures.values())
        print(table(figures, best))
        print(f"\nThe instance can do {CAPACITY}/s; {CAPACITY * chosen.factor}/s were offered.")
        for line in missing:
            print(f"Not measured: {line}")
        if chosen.results:
            chosen.results.write_text(json.dumps(figures, indent=1) + "\n")
        short = shortcomings(figures, best)
        for line in short:
            print(f"Short: {line}")
        return 1 if chosen.check and short else 0
    except (BenchError, subprocess.TimeoutExpired) as error:
        print(f"bench/scenarios: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        machine.stop_all()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
