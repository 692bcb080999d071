"""The machine: processes on a core, CPU and memory of a tree, who else is busy, free ports."""

import os
import contextlib
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
PROXY_CORE, LOAD_CORE = 0, 1


class BenchError(Exception):
    """The benchmark can't go on, or a round does not count; the text is for the user."""


def _stat(pid):
    """Fields of /proc/PID/stat after the command, from `state` on; None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2:].split()


def tree(pid):
    """pid and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(entry)):
            children.setdefault(int(stat[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_seconds(pid):
    """(user, system) seconds of a tree: all threads of every process, and children that ended."""
    user = system = 0
    for member in tree(pid):
        if stat := _stat(member):
            user += int(stat[11]) + int(stat[13])
            system += int(stat[12]) + int(stat[14])
    return user / TICK, system / TICK


def memory(pid):
    """Bytes of a tree: `rss`, `pss`, and `private`, which nothing else on the machine maps."""
    total = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for member in tree(pid):
        try:
            lines = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in lines:
            name, _, rest = line.partition(":")
            if name in total:
                total[name] += int(rest.split()[0]) * 1024
    return {"rss": total["Rss"], "pss": total["Pss"],
            "private": total["Private_Clean"] + total["Private_Dirty"]}


def busy_seconds():
    """CPU seconds of the whole machine, time stolen by the hypervisor included."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / TICK


def pinned(argv, core):
    """The command on one core."""
    return ["taskset", "-c", str(core)] + [str(a) for a in argv]


def before_others(pid=0):
    """From now on the process (this one) and the children that it starts run before whoever else is
    busy on the machine. What they need is little of a core; an unprivileged user goes without."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        print("no right to a real-time priority: what else runs here will show", file=sys.stderr)


@contextlib.contextmanager
def preferred(pid):
    """`before_others`, for a while."""
    before_others(pid)
    try:
        yield
    finally:
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


def allow_files(count):
    """This process and the children that it starts may open `count` files each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= count
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard if enough else count))
    except (PermissionError, ValueError):
        raise BenchError(f"{count} open files are needed, the limit is {hard}; "
                         f"raise it: ulimit -Hn {count}") from None


class Process:
    """A child on one core. Ended by its own id, with its children."""

    running = []

    def __init__(self, argv, core, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL):
        self.argv = argv
        self.began = time.monotonic()
        self.child = subprocess.Popen(pinned(argv, core), stdin=stdin, stdout=stdout,
                                      stderr=stderr)
        self.pid = self.child.pid
        Process.running.append(self)

    def cpu(self):
        return cpu_seconds(self.pid)

    def require_alive(self):
        if self.child.poll() is not None:
            raise BenchError(f"{self.argv[0]} ended with exit code {self.child.returncode}")

    def stop(self):
        if self in Process.running:
            Process.running.remove(self)
        members = tree(self.pid) if self.child.poll() is None else []
        if members:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout=3)
            except subprocess.TimeoutExpired:
                for pid in members:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe:
                pipe.close()


def stop_all():
    for process in list(Process.running):
        process.stop()


class OtherLoad:
    """What everything but the benchmark takes of a core, while this is open."""

    def __enter__(self):
        self.start = (time.monotonic(), busy_seconds(), self._ours())
        return self

    def __exit__(self, *_):
        self.wall = time.monotonic() - self.start[0]
        busy, ours = busy_seconds() - self.start[1], self._ours() - self.start[2]
        self.share = max(0.0, (busy - ours) / self.wall)

    @staticmethod
    def _ours():
        # os.times() has this process and the children that it has waited for (wrk).
        times = os.times()
        return sum(times[:4]) + sum(sum(p.cpu()) for p in Process.running)


class Metered(OtherLoad):
    """And what one process takes, from here on."""

    def __init__(self, process):
        self.process = process

    def __enter__(self):
        self.before = self.process.cpu()
        return super().__enter__()

    def cpu(self):
        """(user, system) seconds until now: what it did after the load counts."""
        return tuple(now - then for then, now in zip(self.before, self.process.cpu()))


_handed_out = set()


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


def wait_until(what, condition, seconds=10.0):
    """Polls; BenchError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
