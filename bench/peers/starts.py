"""A round of one start: from exec until the first request was answered."""

import http.client
import time

import machine
from machine import BenchError
from report import Column

ROUNDS = 9          # at least: a start is short
PATIENCE = 10.0     # seconds
PAUSE = 0.0002      # between two attempts
WATCHED = 0.3       # seconds until memory is read; a start alone is too short to see others' load

COLUMNS = [Column("ms", "ms", ".1f"), Column("time", "ms", ".2f", "ratio"),
           Column("PSS MB", "pss_mb", ".1f"), Column("RSS MB", "rss_mb", ".1f")]


def first_answer(contender):
    """Seconds from exec until a 200 was read whole; what is refused before is tried again."""
    while True:
        try:
            if contender.get() == 200:
                return time.monotonic() - contender.process.began
        except (OSError, http.client.HTTPException):
            pass
        contender.process.require_alive()
        if time.monotonic() - contender.process.began > PATIENCE:
            raise BenchError(f"{contender.name}: no answer within {PATIENCE:g} s")
        time.sleep(PAUSE)


def measure(contender, _seconds):
    with machine.OtherLoad() as others:
        contender.launch()
        try:
            taken = first_answer(contender)
            time.sleep(WATCHED)
            memory = machine.memory(contender.process.pid)
        finally:
            contender.stop()
    return {"ms": taken * 1000, "pss_mb": memory["pss"] / 2**20, "rss_mb": memory["rss"] / 2**20,
            "others": others.share}
