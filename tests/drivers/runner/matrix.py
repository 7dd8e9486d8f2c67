"""The table: a row for each driver and leg, a column for each test, and the notes beneath."""

from runner.programs import TESTS

LEGS = ("plain", "tls")


def cell(result):
    # Every test must answer: silence is a failure, and it is shown as one.
    if result is None:
        return "NO RESULT"
    return {True: "ok", None: "n/a", False: "FAILED"}[result["ok"]]


def table(outcomes):
    """outcomes: {(driver name, leg): Outcome or the reason why it was skipped}"""
    rows = [("driver", "leg", *TESTS)]
    for (name, leg), outcome in outcomes.items():
        if isinstance(outcome, str):
            rows.append((name, leg, *["skipped"] * len(TESTS)))
        else:
            rows.append((name, leg, *[cell(outcome.results.get(test)) for test in TESTS]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = [" | ".join(value.ljust(width) for value, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([text[0], "-+-".join("-" * width for width in widths), *text[1:]])


def notes(outcomes):
    """Why a cell says n/a and how a test was done where the driver has its own way; the same on both legs is said once."""
    said = {}
    for (name, leg), outcome in outcomes.items():
        if isinstance(outcome, str):
            said.setdefault(f"{name}: skipped: {outcome}", []).append(leg)
            continue
        for test in TESTS:
            result = outcome.results.get(test)
            if result and result["note"] and result["ok"] is not False:
                said.setdefault(f"{name} {test}: {cell(result)}: {result['note']}", []).append(leg)
    return [text if len(legs) == len(LEGS) else f"{text} [{', '.join(legs)}]" for text, legs in said.items()]


def failures(outcomes):
    """One block of text for each run that failed, with all that its program printed."""
    blocks = []
    for (name, leg), outcome in outcomes.items():
        if isinstance(outcome, str) or not outcome.failed():
            continue
        silent = [test for test in TESTS if test not in outcome.results]
        wrong = [*outcome.problems, *([f"no result of: {', '.join(silent)}"] if silent else [])]
        wrong += [f"{test}: {result['note'][:500]}" for test, result in outcome.results.items() if result["ok"] is False]
        blocks.append(f"=== {name}, {leg}\n" + "\n".join(wrong) + f"\n--- its output\n{outcome.output.rstrip()}\n")
    return blocks
