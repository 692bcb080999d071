"""Tables in Markdown: medians [min-max], and ratios within each round."""

import dataclasses
import statistics


@dataclasses.dataclass
class Column:
    """`how`: spread (median [min-max]), median, or ratio (to the first contender's, by round)."""

    title: str
    key: str
    form: str
    how: str = "spread"


def spread(values, form):
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} [{low:{form}}-{high:{form}}]"


def ratios(figures, name, key):
    """A round's figure over the first contender's of the same round."""
    pairs = zip(figures[name], next(iter(figures.values())))
    return [one[key] / other[key] for one, other in pairs if one and other]


def cell(column, figures, name):
    if column.how == "ratio":
        return spread(ratios(figures, name, column.key), column.form)
    values = [figure[column.key] for figure in figures[name] if figure]
    if column.how == "median":
        return f"{statistics.median(values):{column.form}}"
    return spread(values, column.form)


def markdown(table, figures, repeats, failures):
    reference = table.contenders[0].name
    titles = [f"{column.title} of {reference}" if column.how == "ratio" else column.title
              for column in table.columns]
    lines = [f"## {table.title}", "", "| | " + " | ".join(titles) + " |",
             "|---" * (len(titles) + 1) + "|"]
    for name, all_rounds in figures.items():
        cells = ([cell(column, figures, name) for column in table.columns] if any(all_rounds)
                 else ["no round counts"] + [""] * (len(titles) - 1))
        lines.append(f"| {name} | **{cells[0]}** | " + " | ".join(cells[1:]) + " |")
    every = [figure for all_rounds in figures.values() for figure in all_rounds]
    noisy = sum(figure["noisy"] for figure in every if figure)
    lines += ["", f"{len(every)} rounds; {repeats} were repeated because others took more than 10 "
                  f"% of a core; {noisy} of those that count did all the same. "
                  f"{len(failures)} failed. {table.target}".rstrip()]
    lines += [f"- {failure}" for failure in failures]
    return "\n".join(lines) + "\n"
