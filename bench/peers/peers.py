"""Runs the comparison. Started by run.sh, which builds; see README.md."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

import contenders
import identities
import machine
import probes
import report
import rounds
import starts
import workloads


class Bench:
    """What the workloads share in one run: upstreams, keys, control plane, a directory on tmpfs."""

    def __init__(self, binaries, seconds):
        self.binaries = pathlib.Path(binaries)
        self.seconds = seconds
        tmpfs = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-bench-", dir=tmpfs))
        self._identities = {}
        self._control = None
        self._directories = 0
        self.process = machine.Process([self.binaries / "bench-upstream", 0, 0], machine.LOAD_CORE,
                                       stdout=subprocess.PIPE)
        lines = [self.process.child.stdout.readline() for _ in range(2)]
        self.upstreams = [int(line) for line in lines]

    @property
    def control(self):
        if self._control is None:
            self._control = contenders.ControlPlane(self.directory, self.binaries)
        return self._control

    def identity(self, alg):
        if alg not in self._identities:
            self._identities[alg] = identities.Identity(alg, self.directory,
                                                        self.binaries / "bench-tokens")
        return self._identities[alg]

    def new_directory(self):
        self._directories += 1
        path = self.directory / f"c{self._directories}"
        path.mkdir()
        return path

    def close(self):
        machine.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench/peers/run.sh",
        description="Tollgate beside HAProxy and nginx, one core each, on loopback.")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD",
                        help=", ".join(workloads.WORKLOADS) + ", or all; default: "
                        + " and ".join(workloads.DEFAULT))
    parser.add_argument("--rounds", type=int, default=5,
                        help=f"START has at least {starts.ROUNDS}")
    parser.add_argument("--seconds", type=int, default=3,
                        help="of load a round; RATE and SWAP want 10, for their p99.9")
    parser.add_argument("--retries", type=int, default=4, help="of a noisy round")
    parser.add_argument("--only", default="",
                        help="contenders whose name has this text, and the first")
    parser.add_argument("--strace", action="store_true",
                        help="instead of tables: system calls a request, of Tollgate or --only; "
                        "for W1, W2, W5 and ROUTES")
    parser.add_argument("--profile", action="store_true",
                        help="instead of tables: perf report, of Tollgate or --only; same ones")
    parser.add_argument("--results", type=pathlib.Path,
                        help="where tables, JSON and profiles go; default: a new folder in $TMPDIR")
    parser.add_argument("--bin", default="build/bin", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.workloads = [w.upper() for w in chosen.workloads] or workloads.DEFAULT
    if chosen.workloads == ["ALL"]:
        chosen.workloads = list(workloads.WORKLOADS)
    for name in chosen.workloads:
        if name not in workloads.WORKLOADS:
            parser.error(f"workload '{name}' is unknown; expected "
                         + ", ".join(workloads.WORKLOADS))
    if chosen.rounds < 1 or chosen.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return chosen


def versions():
    def first_line(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return ((done.stdout or done.stderr).splitlines() or ["?"])[0]
    return [platform.platform(), first_line(contenders.program("haproxy"), "-v"),
            first_line(contenders.program("nginx"), "-v")]


def compare(bench, chosen, results):
    """The tables. True: every round of every contender counts."""
    # The harness connects, polls and waits for children: not on the core that is measured.
    os.sched_setaffinity(0, {machine.LOAD_CORE})
    everything = {"versions": versions(), "rounds": chosen.rounds, "seconds": chosen.seconds,
                  "workloads": {}}
    tables, whole = [], True
    for name in chosen.workloads:
        for table in workloads.WORKLOADS[name](bench):
            rounds.say(table.title)
            table.contenders = [one for i, one in enumerate(table.contenders)
                                if i == 0 or chosen.only in one.name]
            figures, repeats, failures = rounds.run(table, chosen.rounds, chosen.seconds,
                                                    chosen.retries)
            whole = whole and not failures
            everything["workloads"][table.title] = {"figures": figures, "repeats": repeats,
                                                    "failures": failures}
            tables.append(report.markdown(table, figures, repeats, failures))
    text = "\n".join(tables) + "\n" + " · ".join(everything["versions"]) + "\n"
    (results / "tables.md").write_text(text)
    (results / "results.json").write_text(json.dumps(everything, indent=1) + "\n")
    print(text)
    return whole


def main():
    chosen = arguments()
    results = chosen.results or pathlib.Path(tempfile.gettempdir()) / (
        "tollgate-peers-" + datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    results.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # by way of `finally`
    bench = None
    try:
        bench = Bench(chosen.bin, chosen.seconds)
        if chosen.strace or chosen.profile:
            if chosen.strace:
                probes.system_calls(bench, chosen.workloads, chosen.only, results)
            if chosen.profile:
                probes.profile(bench, chosen.workloads, chosen.only, results)
            whole = True
        else:
            whole = compare(bench, chosen, results)
        print(f"Results are in {results}")
        return 0 if whole else 1
    except machine.BenchError as error:
        print(f"bench/peers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if bench:
            bench.close()


if __name__ == "__main__":
    sys.exit(main())
