"""One round of one contender, and interleaved rounds of all."""

import json
import pathlib
import subprocess
import sys
import time

import machine
from machine import BenchError

CONNECTIONS = 64
NOISE_LIMIT = 0.10  # of a core
LUA = pathlib.Path(__file__).parent / "load.lua"


def say(text):
    print(text, file=sys.stderr, flush=True)


def prepare(contender, seconds):
    """Tokens that no process has seen, enough for `seconds` of load."""
    if contender.mode == "fresh":
        say(f"  {contender.name}: fresh tokens")
        contender.identity.make_fresh(seconds)


def load_command(contender, seconds):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "5s", "-s", LUA,
               f"http://127.0.0.1:{contender.port}", "--", contender.mode, contender.path]
    if contender.mode != "open":
        identity = contender.identity
        command.append(identity.fresh if contender.mode == "fresh" else identity.shared)
    return machine.pinned(command, machine.LOAD_CORE)


def parse_load(contender, output):
    """wrk's summary; a failed request is a BenchError."""
    line = next((l for l in output.splitlines() if l.startswith("JSON ")), None)
    if line is None:
        raise BenchError(f"{contender.name}: wrk gave no summary: {output[-500:]}")
    summary = json.loads(line[5:])
    if summary["exhausted"]:
        raise BenchError(f"{contender.name}: the fresh tokens ran out; raise FRESH_PER_SECOND")
    failed = {kind: n for kind, n in summary["errors"].items() if n}
    if failed or summary["requests"] == 0:
        raise BenchError(f"{contender.name}: failed requests {failed} of {summary['requests']}")
    return summary


def count_lines(path):
    with open(path, "rb") as log:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))


def require_log(contender, expected):
    """As many lines as requests, none dropped; waits for a writer that buffers."""
    try:
        machine.wait_until("", lambda: count_lines(contender.log) >= expected, seconds=3)
    except BenchError:
        pass
    lines, dropped = count_lines(contender.log), contender.dropped()
    if lines != expected or dropped:
        raise BenchError(f"{contender.name}: {lines} log lines of {expected} requests, "
                         f"{dropped} dropped")


def measure(contender, seconds):
    """A fresh process, its checks, its load. A dict of figures; BenchError: it does not count."""
    contender.start()
    try:
        checks = contender.check()
        time.sleep(0.1)
        with machine.OtherLoad() as others:
            before = contender.process.cpu()
            start = time.monotonic()
            done = subprocess.run(load_command(contender, seconds), capture_output=True, text=True,
                                  timeout=seconds + 30)
            wall = time.monotonic() - start
            after = contender.process.cpu()
        contender.process.require_alive()
        load = parse_load(contender, done.stdout + done.stderr)
        if contender.log:
            require_log(contender, checks + load["issued"])
            after = contender.process.cpu()  # with what its log writer still had to do
    finally:
        contender.stop()
        if contender.log and contender.log.exists():
            contender.log.unlink()
    user, system = (b - a for a, b in zip(before, after))
    requests = load["requests"]
    return {"cpu_us": (user + system) / requests * 1e6, "user_us": user / requests * 1e6,
            "system_us": system / requests * 1e6, "requests": requests,
            "per_second": requests / load["microseconds"] * 1e6,
            "utilisation": (user + system) / wall, "p50_us": load["p50"],
            "p99_us": load["p99"], "others": others.share}


def run(contenders, rounds, seconds, retries):
    """Interleaved rounds, the order reversed every other one.

    A round in which others took more than NOISE_LIMIT is repeated, at most `retries` times for one
    figure; then the quietest attempt counts and is marked `noisy`. Returns figures by name (a list
    of `rounds` dicts, None where every attempt failed), the number of repeats, and failures.
    """
    for one in contenders:
        prepare(one, seconds)
    figures = {one.name: [] for one in contenders}
    repeats, failures = 0, []
    for number in range(rounds):
        for one in contenders if number % 2 == 0 else reversed(contenders):
            best = None
            for attempt in range(retries + 1):
                repeats += attempt > 0
                try:
                    figure = measure(one, seconds)
                except BenchError as error:
                    failures.append(f"round {number + 1}: {error}")
                    say(f"  FAILED {failures[-1]}")
                    break
                figure["noisy"] = figure["others"] > NOISE_LIMIT
                if best is None or figure["others"] < best["others"]:
                    best = figure
                if not figure["noisy"]:
                    break
            figures[one.name].append(best)
            if best:
                say(f"  round {number + 1} {one.name}: {best['cpu_us']:.1f} us/request, "
                    f"{best['per_second']:.0f}/s, others {best['others'] * 100:.0f} % of a core"
                    f"{' (noisy)' if best['noisy'] else ''}")
    return figures, repeats, failures
