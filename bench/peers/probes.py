"""Where Tollgate's system calls and time go, under the load of a workload."""

import collections
import re
import subprocess
import time

import saturated
import workloads
from machine import BenchError

FREQUENCY = 4999  # samples a second; not a divisor of the timer's
TOP = 45


def _subjects(bench, names, only):
    for name in names:
        for table in workloads.WORKLOADS[name](bench):
            for one in table.contenders:
                if table.probed and (only or "Tollgate") in one.name:
                    yield name, one


def _file_name(workload, contender):
    return re.sub(r"\W+", "-", f"{workload} {contender.name}").strip("-").lower()


class _Loaded:
    """The contender under load, warm; `finish` ends the load and gives its summary."""

    def __init__(self, contender, seconds):
        self.contender = contender
        contender.start()
        contender.check()
        self.load = subprocess.Popen(saturated.load_command(contender, seconds),
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        time.sleep(0.3)
        return self

    def finish(self):
        output, _ = self.load.communicate(timeout=60)
        return saturated.parse_load(self.contender, output)

    def __exit__(self, *_):
        if self.load.poll() is None:
            self.load.terminate()
            self.load.wait()
        self.contender.stop()


def _counted_by_perf(pid, command):
    """perf stat over the kernel's tracepoints: exact, and hardly slower than without."""
    done = subprocess.run(
        ["perf", "stat", "-x", ";", "-e", "syscalls:sys_enter_*", "-p", str(pid), "--", *command],
        capture_output=True, text=True)
    calls = collections.Counter()
    for line in done.stderr.splitlines():
        fields = line.split(";")
        if len(fields) > 2 and fields[2].startswith("syscalls:sys_enter_") and fields[0].isdigit():
            calls[fields[2][len("syscalls:sys_enter_"):]] = int(fields[0])
    return calls, done.stdout


def _counted_by_strace(contender, pid, command):
    """For kernels without tracepoints; slow, so that batches are larger than in earnest."""
    path = contender.directory / "strace"
    tracer = subprocess.Popen(["strace", "-c", "-f", "-qq", "-o", path, "-p", str(pid)])
    time.sleep(0.5)
    done = subprocess.run(command, capture_output=True, text=True)
    tracer.terminate()
    tracer.wait()
    calls = collections.Counter()
    for line in path.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0].replace(".", "").isdigit() and fields[-1] != "total":
            calls[fields[-1]] = int(fields[3])
    return calls, done.stdout


def system_calls(bench, names, only, results):
    """A table for each contender; exact counts from connecting to closing."""
    lines = ["# System calls a request", ""]
    for name, one in _subjects(bench, names, only):
        one.prepare(2)
        one.start()
        try:
            one.check()
            command = saturated.load_command(one, 2)
            calls, output = _counted_by_perf(one.process.pid, command)
            source = "perf stat"
            if not calls:
                source = "strace -c -f"
                calls, output = _counted_by_strace(one, one.process.pid, command)
            requests = saturated.parse_load(one, output)["requests"]
        finally:
            one.stop()
        lines += [f"## {name} {one.name}", "",
                  f"{sum(calls.values()) / requests:.3f} a request ({source}, {requests} requests)",
                  "", "| call | a request | calls |", "|---|---|---|"]
        lines += [f"| {call} | {n / requests:.4f} | {n} |" for call, n in calls.most_common()
                  if n]
        lines.append("")
    text = "\n".join(lines)
    (results / "system-calls.md").write_text(text)
    print(text)


def _report(data, *options):
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "-q", *options],
                          capture_output=True, text=True)
    return [line.rstrip() for line in done.stdout.splitlines()
            if line.strip() and not line.startswith("#")]


def profile(bench, names, only, results, seconds=4):
    """perf of each contender: user and kernel, top functions, and with callees."""
    for name, one in _subjects(bench, names, only):
        data = results / f"{_file_name(name, one)}.perf"
        one.prepare(seconds + 1)
        with _Loaded(one, seconds + 1) as loaded:
            recorded = subprocess.run(
                ["perf", "record", "-q", "-F", str(FREQUENCY), "-e", "cpu-clock", "--call-graph",
                 "fp", "-o", data, "-p", str(one.process.pid), "--", "sleep", str(seconds)],
                capture_output=True, text=True)
            if recorded.returncode != 0:
                raise BenchError(f"perf record: {recorded.stderr.strip()}")
            summary = loaded.finish()
        flat = ["--no-children", "-g", "none", "--sort", "sym"]
        top = _report(data, *flat)
        kernel = sum(float(line.split("%")[0]) for line in top if " [k] " in line)
        # Debian's libraries are stripped: their functions without a name are in the sum by library.
        user = [line for line in top if " [.] " in line and " 0x" not in line]
        inclusive = [line for line in _report(data, "--children", "-g", "none", "--sort", "sym")
                     if " [.] " in line and " 0x" not in line]
        rate = summary["requests"] / summary["microseconds"] * 1e6
        text = "\n".join(
            [f"# {name} {one.name}", "",
             f"{rate:,.0f} requests/s while perf watched; kernel {kernel:.1f} %, "
             f"user {100 - kernel:.1f} %", "",
             "## User functions, themselves", "", *user[:TOP], "",
             "## User functions with what they call (all, self)", "", *inclusive[:TOP], "",
             "## By library", "", *_report(data, "--no-children", "-g", "none", "--sort", "dso"),
             "", "## By thread", "",
             *_report(data, "--no-children", "-g", "none", "--sort", "comm"), "",
             "## Kernel functions", "", *[line for line in top if " [k] " in line][:25], ""])
        (results / f"{_file_name(name, one)}.txt").write_text(text)
        print(text)
