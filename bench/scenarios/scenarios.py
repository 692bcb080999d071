"""Runs the scenarios. Started by run.sh, which builds; see README.md."""

import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "peers"))

import machine  # noqa: E402  of bench/peers
import proxies  # noqa: E402
import suite  # noqa: E402
import upstreams  # noqa: E402
import verdict  # noqa: E402
from machine import BenchError  # noqa: E402

SKIP_MS = 500        # of load, before the fault comes and the figures count
STALL_MS = 15        # when the machine stood still for so long, the round is repeated
TIMEOUT_MS = 3000    # of the client: a request without a whole answer by then has failed


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """What all rounds share: programs, ports of the instances, a directory on tmpfs."""

    def __init__(self, binaries):
        self.binaries = pathlib.Path(binaries)
        tmpfs = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-scenarios-", dir=tmpfs))
        self.ports = [machine.free_port() for _ in range(8)]
        self.configured = {}

    def proxies_of(self, scenario, only):
        if scenario.name not in self.configured:
            directory = self.directory / scenario.name
            directory.mkdir()
            every = [proxies.Tollgate(directory, self.ports, scenario, self.binaries),
                     proxies.HAProxy(directory, self.ports, scenario),
                     proxies.Nginx(directory, self.ports, scenario)]
            self.configured[scenario.name] = [p for p in every if only in p.name]
        return self.configured[scenario.name]

    def close(self):
        machine.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)


class Events(threading.Thread):
    """Tells the instances what befalls them, at their times."""

    def __init__(self, instances, events, start, seconds):
        super().__init__(daemon=True)
        self.todo = [e for e in events if e[0] < seconds]
        self.instances, self.start_time = instances, start
        self.requests_before = None

    def run(self):
        time.sleep(max(0.0, self.start_time - time.monotonic()))
        self.requests_before = self.instances.requests()
        for second, number, command in self.todo:
            time.sleep(max(0.0, self.start_time + second - time.monotonic()))
            self.instances.all[number].tell(command)


def measure(bench, proxy, scenario, seconds, seed):
    """One round: fresh instances, a fresh proxy, the load with the fault in it. The figures."""
    instances = upstreams.Instances(bench.binaries / "bench-scenario-upstream", bench.ports,
                                    scenario)
    try:
        proxy.start()
        time.sleep(0.3)  # first checks
        command = [bench.binaries / "bench-scenario-load", proxy.port, scenario.rate, SKIP_MS,
                   seconds, scenario.method, suite.PATH, TIMEOUT_MS, seed,
                   machine.PROXY_CORE, machine.LOAD_CORE]
        with machine.OtherLoad() as others:
            load = subprocess.Popen(machine.pinned(command, machine.LOAD_CORE),
                                    stdout=subprocess.PIPE, text=True)
            if load.stdout.readline() != "started\n":
                raise BenchError("the load did not start")
            events = Events(instances, scenario.events, time.monotonic() + SKIP_MS / 1000, seconds)
            events.start()
            try:
                output, _ = load.communicate(timeout=seconds + 30)
            except subprocess.TimeoutExpired:
                load.kill()
                raise BenchError(f"{proxy.name}: the load does not end") from None
            events.join()
        proxy.process.require_alive()
        result = json.loads(output)
        counted = [after - before
                   for after, before in zip(instances.requests(), events.requests_before)]
        twice = instances.sent_twice() if scenario.method == "POST" else 0
    finally:
        proxy.stop()
        instances.stop()
    return {"offered": result["offered"], "ok": result["ok"], "failures": result["failures"],
            "timeline": result["timeline"], "others": others.share, "twice": twice,
            "stall_ms": result["stall_ms"],
            "sick": sum(counted[i] for i in scenario.sick) / max(1, sum(counted)),
            **verdict.tail(result)}


def run(bench, scenario, chosen):
    """Interleaved rounds, the order reversed every other one. Figures by proxy."""
    every = bench.proxies_of(scenario, chosen.only)
    figures = {proxy.name: [] for proxy in every}
    for number in range(chosen.rounds):
        for proxy in every if number % 2 == 0 else reversed(every):
            figure = None
            for _ in range(chosen.retries + 1):
                # Within a round all see the same arrivals.
                attempt = measure(bench, proxy, scenario, chosen.seconds, seed=number + 1)
                if figure is None or attempt["stall_ms"] < figure["stall_ms"]:
                    figure = attempt
                if figure["stall_ms"] <= STALL_MS:
                    break
            figures[proxy.name].append(figure)
            say(f"  {scenario.name} {number + 1} {proxy.name}: "
                f"{figure['failed'] * 100:.2f} % failed {figure['failures'] or ''}, "
                f"p99 {figure['p99']:.0f} ms, sick {figure['sick'] * 100:.1f} %, "
                f"longest stall {figure['stall_ms']:.0f} ms")
    return figures


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/scenarios/run.sh",
        description="Tollgate, HAProxy and nginx in front of instances that fall sick.")
    parser.add_argument("--scenario", action="append", metavar="NAME",
                        help="one of " + ", ".join(s.name for s in suite.SCENARIOS)
                        + "; may be repeated; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of load a round, from the fault on")
    parser.add_argument("--retries", type=int, default=2,
                        help="of a round in which the machine stood still")
    parser.add_argument("--only", default="", help="proxies whose name has this text")
    parser.add_argument("--check", action="store_true",
                        help="exit code 1 when Tollgate is worse in a scenario")
    parser.add_argument("--results", type=pathlib.Path, help="a file for all figures, as JSON")
    parser.add_argument("--bin", default="build/bin", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.rounds < 1 or chosen.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    chosen.scenarios = []
    for name in chosen.scenario or [s.name for s in suite.SCENARIOS]:
        scenario = suite.find(name)
        if scenario is None:
            parser.error(f"scenario '{name}' is unknown")
        chosen.scenarios.append(scenario)
    return chosen


def main():
    chosen = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # by way of `finally`
    machine.before_others()
    bench = Bench(chosen.bin)
    everything, worse = {}, []
    try:
        for scenario in chosen.scenarios:
            say(f"{scenario.name}: {scenario.what}")
            figures = run(bench, scenario, chosen)
            everything[scenario.name] = figures
            if chosen.results:
                chosen.results.write_text(json.dumps(everything, indent=1) + "\n")
        print(verdict.table(everything, suite))
        worse = verdict.worse(everything, suite)
        if worse:
            print(f"Tollgate is worse in: {', '.join(worse)}")
    except BenchError as error:
        print(f"bench/scenarios: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        bench.close()
    return 1 if chosen.check and worse else 0


if __name__ == "__main__":
    sys.exit(main())
