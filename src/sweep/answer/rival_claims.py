"""What a study shows of mixed batches against their rivals, in sentences."""

from sweep.answer.claims import is_better, is_shown
from sweep.answer.rivals import Rivals
from sweep.answer.wording import counted, listed
from sweep.settings import Objective


def rival_lines(rivals: Rivals | None, objective: Objective) -> list[str]:
    """Which rivals are shown to be better or worse than mixed batches, and which points may be best; nothing of one
    seed."""
    if rivals is None or not rivals.over_seeds:
        return []
    better = [row.name for row in rivals.rows if is_better(row.against, objective)]
    worse = [row.name for row in rivals.rows if is_shown(row.against) and row.name not in better]
    open_ = [row.name for row in rivals.rows if not is_shown(row.against)]
    parts = {"shown to be better": better, "shown to be worse": worse, "not shown to differ": open_}
    verdicts = "; ".join(f"{verdict}: {listed(names)}" for verdict, names in parts.items() if names)
    approximate = ", approximate with two seeds" if any(row.seeds == 2 for row in rivals.rows) else ""
    compared = counted(len(rivals.rows), "comparison")
    lines = [f"Rivals of {rivals.mixed} ({compared}, p after Holm{approximate}) {verdicts}."]
    if rivals.best:
        lines.append(f"Of all {rivals.among} trained points {listed(rivals.best)} may be best (95 % confidence set).")
    return lines
