"""Figures of a round, and whether Tollgate is better, equal or worse than a peer in a scenario."""

import math
import statistics

US = "Tollgate"

# What counts, and by how much two medians must differ before one is better: both the share of the
# larger and the absolute difference. Loopback on shared cores is not quieter than this.
#          figure      of the larger  at least
FIGURES = [("failed",  0.10,          0.0010),
           ("p50",     0.20,          1.0),
           ("p99",     0.20,          3.0),
           ("p999",    0.30,          15.0),
           ("sick",    0.15,          0.02)]


def percentile(ordered, share):
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else math.inf


def tail(result):
    """The share that failed, and the latencies of those that were answered."""
    ordered = result["latencies_ms"]
    return {"failed": 1 - result["ok"] / max(1, result["offered"]),
            **{name: percentile(ordered, share)
               for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}}


def compare(ours, theirs, name):
    """1: Tollgate is better in this figure; -1: worse; 0: no difference that counts."""
    _, share, least = next(f for f in FIGURES if f[0] == name)
    a = [figure[name] for figure in ours]
    b = [figure[name] for figure in theirs]
    middle_a, middle_b = statistics.median(a), statistics.median(b)
    if middle_a == middle_b:
        return 0
    larger, smaller = max(middle_a, middle_b), min(middle_a, middle_b)
    if larger != math.inf and larger - smaller < max(least, share * larger):
        return 0
    # A median within what the other one showed in some round is no difference either.
    if middle_a > middle_b:
        return -1 if middle_a > max(b) else 0
    return 1 if middle_b > max(a) else 0


def judge(ours, theirs, useless):
    """('better' | 'equal' | 'worse', the figures that say so). `useless`: load on the sick counts."""
    signs = {name: compare(ours, theirs, name) for name, _, _ in FIGURES
             if name != "sick" or useless}
    # Sent twice is a payment made twice: nothing makes up for it.
    if any(figure["twice"] for figure in ours):
        return "worse", ["twice"]
    # An answer less is worse than a slower one: latency is compared where as many were answered.
    if signs["failed"]:
        return ("better" if signs["failed"] > 0 else "worse"), ["failed"]
    bad = [name for name, sign in signs.items() if sign < 0]
    good = [name for name, sign in signs.items() if sign > 0]
    if bad:
        return "worse", bad
    return ("better", good) if good else ("equal", [])


def worse(everything, suite):
    found = []
    for name, figures in everything.items():
        found += [f"{name} than {peer} ({', '.join(why)})" for peer, theirs in figures.items()
                  if peer != US and US in figures
                  for word, why in [judge(figures[US], theirs, suite.find(name).useless)]
                  if word == "worse"]
    return found


def spread(figures, name, form, factor=1):
    values = [figure[name] * factor for figure in figures]
    low, middle, high = min(values), statistics.median(values), max(values)
    if low == high:
        return f"{middle:{form}}"
    return f"{middle:{form}} [{low:{form}}-{high:{form}}]"


def table(everything, suite):
    lines = ["| scenario | proxy | failed % | p50 ms | p99 ms | p99.9 ms | on the sick % "
             "| Tollgate is |", "|---|---|---|---|---|---|---|---|"]
    for name, figures in everything.items():
        for proxy, rounds in figures.items():
            says = ""
            if proxy != US and US in figures:
                word, why = judge(figures[US], rounds, suite.find(name).useless)
                says = f"**{word}**" + (f" ({', '.join(why)})" if why else "")
            twice = sum(figure["twice"] for figure in rounds)
            lines.append(
                f"| {name if proxy == next(iter(figures)) else ''} | {proxy}"
                f"{f' ({twice} sent twice)' if twice else ''} | "
                f"{spread(rounds, 'failed', '.2f', 100)} | {spread(rounds, 'p50', '.1f')}"
                f" | {spread(rounds, 'p99', '.0f')} | "
                f"{spread(rounds, 'p999', '.0f')} | "
                f"{spread(rounds, 'sick', '.1f', 100)} | {says} |")
    lines += [""] + [f"- {name}: {suite.find(name).what}" for name in everything]
    return "\n".join(lines)
