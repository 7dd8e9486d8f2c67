"""The medians as a table, for the terminal and for README.md, and as a plot."""

import json
import statistics

NAMES = {"idle": "no migration", "direct": "directly", "proxied": "through pgairlock"}
COLOURS = {"idle": "#9a9a9a", "direct": "#c0392b", "proxied": "#2471a3"}
ROW = "{:<15} {:<18} {:>12} {:>13} {:>7} {:>10}"


def medians(repetitions):
    """Of each way: the medians of the longest waits and of the duration, and the sum of the errors."""
    return {way: _median([repetition.measured[way] for repetition in repetitions]) for way in NAMES}


def _median(measured):
    middle = {name: statistics.median(getattr(each, name) for each in measured) for name in ("read", "write", "seconds")}
    return {**middle, "errors": sum(each.errors for each in measured)}


def table(results):
    lines = [ROW.format("tool", "", "longest read", "longest write", "errors", "took")]
    for tool, ways in results.items():
        for way, name in NAMES.items():
            of = ways[way]
            lines.append(ROW.format(tool, name, _milliseconds(of["read"]), _milliseconds(of["write"]), of["errors"], f"{of['seconds']:.1f} s"))
    return "\n".join(lines)


def waits(measured):
    return f"{_milliseconds(measured.read)}/{_milliseconds(measured.write)}"


def _milliseconds(seconds):
    return f"{seconds * 1000:,.0f} ms"


def write(directory, results, title):
    """table.txt, results.json and plot.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "table.txt").write_text(f"{title}\n\n{table(results)}\n")
    (directory / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    _plot(directory / "plot.svg", results, title)


def _plot(file, results, title):
    # A short run draws nothing, and does without.
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (reads, writes) = pyplot.subplots(1, 2, sharey=True, figsize=(10, 4.5), layout="constrained")
    for axes, measure, name in ((reads, "read", "one read"), (writes, "write", "one write")):
        _bars(axes, results, measure)
        axes.set_title(f"longest wait for {name}")
    highest = max(ways[way][measure] * 1000 for ways in results.values() for way in NAMES for measure in ("read", "write"))
    # With room above for the legend.
    reads.set_ylim(1, highest * 5)
    reads.set_ylabel("milliseconds")
    writes.legend()
    figure.suptitle(title)
    figure.savefig(file)
    pyplot.close(figure)


def _bars(axes, results, measure):
    width = 0.27
    for place, (way, name) in enumerate(NAMES.items()):
        heights = [ways[way][measure] * 1000 for ways in results.values()]
        bars = axes.bar([tool + (place - 1) * width for tool in range(len(results))], heights, width, label=name, color=COLOURS[way])
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xticks(range(len(results)), list(results))
