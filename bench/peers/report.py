"""Tables in Markdown: medians [min-max], and ratios within each round."""

import statistics


def spread(values, form):
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} [{low:{form}}-{high:{form}}]"


def ratios(figures, name, reference):
    """A round's figure over the reference's of the same round."""
    pairs = zip(figures[name], figures[reference])
    return [one["cpu_us"] / other["cpu_us"] for one, other in pairs if one and other]


def table(title, figures, repeats, failures):
    reference = next(iter(figures))
    lines = [f"## {title}", "",
             f"| | CPU us/request | user | of {reference} | requests/s | core | p99 us |",
             "|---|---|---|---|---|---|---|"]
    noisy = 0
    for name, all_rounds in figures.items():
        counted = [f for f in all_rounds if f]
        noisy += sum(f["noisy"] for f in counted)

        def column(key):
            return [f[key] for f in counted]
        if not counted:
            lines.append(f"| {name} | no round counts | | | | | |")
            continue
        lines.append(
            f"| {name} | **{spread(column('cpu_us'), '.1f')}** | "
            f"{statistics.median(column('user_us')):.1f} | "
            f"{spread(ratios(figures, name, reference), '.2f')} | "
            f"{statistics.median(column('per_second')):,.0f} | "
            f"{statistics.median(column('utilisation')) * 100:.0f} % | "
            f"{statistics.median(column('p99_us')):,.0f} |")
    total = sum(len(f) for f in figures.values())
    lines += ["", f"{total} rounds; {repeats} were repeated because others took more than 10 % of "
                  f"a core; {noisy} of those that count did all the same. "
                  f"{len(failures)} failed."]
    lines += [f"- {failure}" for failure in failures]
    return "\n".join(lines) + "\n"
