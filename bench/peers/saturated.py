"""A round under wrk: as many requests as the proxy answers, and what CPU each takes of it."""

import json
import pathlib
import subprocess
import time

import machine
import rounds
from machine import BenchError
from report import Column

LUA = pathlib.Path(__file__).parent / "load.lua"
MOST_HEAD = 1000  # bytes of an answer's head

_LOAD = [Column("requests/s", "per_second", ",.0f", "median"),
         Column("core %", "core", ".0f", "median"), Column("p99 us", "p99_us", ",.0f", "median")]
PER_REQUEST = [Column("CPU us/request", "cpu_us", ".1f"),
               Column("user", "user_us", ".1f", "median"), Column("CPU", "cpu_us", ".2f", "ratio"),
               *_LOAD]
PER_GB = [Column("CPU ms/GB", "cpu_ms_gb", ",.0f"), Column("CPU", "cpu_ms_gb", ".2f", "ratio"),
          Column("GB/s", "gb_per_second", ".2f", "median"), *_LOAD]


def load_command(contender, seconds):
    command = ["wrk", "-t1", f"-c{contender.connections}", f"-d{seconds}s", "--timeout", "5s", "-s",
               LUA, f"http://127.0.0.1:{contender.port}", "--", contender.mode, contender.path]
    if contender.load_file():
        command.append(contender.load_file())
    return machine.pinned(command, machine.LOAD_CORE)


def parse_load(contender, output):
    """wrk's summary; a failed request, or bytes that these answers can't have, is a BenchError."""
    line = next((l for l in output.splitlines() if l.startswith("JSON ")), None)
    if line is None:
        raise BenchError(f"{contender.name}: wrk gave no summary: {output[-500:]}")
    summary = json.loads(line[5:])
    if summary["exhausted"]:
        raise BenchError(f"{contender.name}: the fresh tokens ran out; raise FRESH_PER_SECOND")
    failed = {kind: n for kind, n in summary["errors"].items() if n}
    if failed or summary["requests"] == 0:
        raise BenchError(f"{contender.name}: failed requests {failed} of {summary['requests']}")
    # With each connection's answer that the end cut short.
    least = summary["requests"] * contender.body
    most = (summary["requests"] + contender.connections) * (contender.body + MOST_HEAD)
    if not least < summary["bytes"] < most:
        raise BenchError(f"{contender.name}: {summary['bytes']} bytes of {summary['requests']} "
                         f"answers, expected {least} to {most}")
    return summary


def load(contender, seconds):
    done = subprocess.run(load_command(contender, seconds), capture_output=True, text=True,
                          timeout=seconds + 30)
    return parse_load(contender, done.stdout + done.stderr)


def measure(contender, seconds):
    """A fresh process, its checks, its load."""
    with rounds.started(contender):
        checks = contender.check()
        time.sleep(0.1)
        with machine.Metered(contender.process) as meter:
            summary = load(contender, seconds)
        rounds.require_log(contender, checks + summary["issued"])
        user, system = meter.cpu()
    requests, taken = summary["requests"], summary["microseconds"] / 1e6
    return {"cpu_us": (user + system) / requests * 1e6, "user_us": user / requests * 1e6,
            "system_us": system / requests * 1e6, "requests": requests,
            "per_second": requests / taken, "core": (user + system) / meter.wall * 100,
            "cpu_ms_gb": (user + system) * 1e3 / (summary["bytes"] / 1e9),
            "gb_per_second": summary["bytes"] / 1e9 / taken, "p50_us": summary["p50"],
            "p99_us": summary["p99"], "others": meter.share}
