"""Interleaved rounds of all contenders of a table, and what every kind of round needs."""

import contextlib
import dataclasses
import sys
from typing import Callable

import machine
from machine import BenchError

NOISE_LIMIT = 0.10  # of a core


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Table:
    """What is compared: contenders, how one round of one is measured, and what is shown of it.

    `measure(contender, seconds)` gives a dict of figures, `others` among them (machine.OtherLoad);
    BenchError: the round does not count. `columns` are report.Column; the first is the figure that
    is said of each round. Ratios refer to the first contender."""

    title: str
    contenders: list
    measure: Callable
    columns: list
    target: str = ""
    least_rounds: int = 1
    probed: bool = False  # --strace and --profile show what the load of this table costs


@contextlib.contextmanager
def started(contender):
    contender.start()
    try:
        yield contender
        contender.process.require_alive()
    finally:
        contender.stop()


def count_lines(path):
    with open(path, "rb") as log:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))


def require_log(contender, expected):
    """As many lines as requests, none dropped; waits for a writer that buffers."""
    if not contender.log:
        return
    try:
        machine.wait_until("", lambda: count_lines(contender.log) >= expected, seconds=3)
    except BenchError:
        pass
    lines, dropped = count_lines(contender.log), contender.dropped()
    if lines != expected or dropped:
        raise BenchError(f"{contender.name}: {lines} log lines of {expected} requests, "
                         f"{dropped} dropped")


def run(table, rounds, seconds, retries):
    """Interleaved rounds, the order reversed every other one.

    A round in which others took more than NOISE_LIMIT is repeated, at most `retries` times for one
    figure; then the quietest attempt counts and is marked `noisy`. Returns figures by name (a list
    of dicts, a round each, None where every attempt failed), the number of repeats, and failures.
    """
    for one in table.contenders:
        one.prepare(seconds)
    figures = {one.name: [] for one in table.contenders}
    repeats, failures = 0, []
    first = table.columns[0]
    for number in range(max(rounds, table.least_rounds)):
        for one in table.contenders if number % 2 == 0 else reversed(table.contenders):
            best = None
            for attempt in range(retries + 1):
                repeats += attempt > 0
                try:
                    figure = table.measure(one, seconds)
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
                say(f"  round {number + 1} {one.name}: {first.title} "
                    f"{best[first.key]:{first.form}}, others {best['others'] * 100:.0f} % of a core"
                    f"{' (noisy)' if best['noisy'] else ''}")
    return figures, repeats, failures
