"""Sentences on one table of ratios, in plain text. What they claim is decided in `sweep.answer.claims`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sweep.answer.claims import (
    Claims,
    equal_pairs,
    is_better,
    is_equal,
    is_shown,
    leader,
    pairs_of,
    references_of,
    two_seeds,
    worse_members,
)
from sweep.answer.ratios import RatioRow, RatioTable
from sweep.answer.wording import (
    alphas,
    at_most_p,
    better_of,
    counted,
    difference_words,
    digits,
    figure_words,
    kind_of,
    listed,
    metric_words,
    p_words,
    rival_name,
    signed,
)
from sweep.evaluation.comparison import Comparison
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


@dataclass(frozen=True)
class Subject:
    """What sentences are about: a benchmark as they call it, a figure, and which way is better. `others`: the other
    searched values, as text."""

    benchmark: str
    key: MetricKey
    objective: Objective
    others: str = ""

    def where(self, others: str) -> "Subject":
        """With the other searched values that a table is of."""
        return replace(self, others=others)

    @property
    def metric(self) -> str:
        """The figure in words."""
        return metric_words(self.key)

    @property
    def places(self) -> int:
        """Digits after the decimal point."""
        return digits(self.key)

    @property
    def on(self) -> str:
        """How a sentence begins."""
        return f"On {self.benchmark}" + (f" with {self.others}" if self.others else "")


def on_the_best(table: RatioTable, about: Subject) -> str:
    """Which ratios may be the best."""
    if not table.best:
        return (
            f"{about.on}, it cannot be said yet which ratios may be best for {about.metric}: "
            "that takes the same seeds, two or more, of at least two ratios."
        )
    seeds = max(row.seeds for row in table.rows if row.barred is None)
    approximate = ", approximate" if any(row.is_approximate for row in table.rows) else ""
    source = f"95 % confidence set of {counted(table.complete, 'ratio')}, {counted(seeds, 'seed')}{approximate}"
    if about.objective.direction == "minimize":
        how = "lower is better" if better_of(about.key) in ("lower", None) else "minimised by the study"
        source = f"{how}; {source}"
    if len(table.best) == table.complete:
        which = f"each of {alphas(table.best)} may be best for {about.metric}: none is shown to be worse than another"
        return f"{about.on}, {which} ({source})."
    if len(table.best) == 1:
        return f"{about.on}, only {alphas(table.best)} may be best for {about.metric} ({source})."
    return f"{about.on}, {alphas(table.best)} may be best for {about.metric} ({source})."


def on_references(table: RatioTable, about: Subject, claims: Claims) -> Iterator[str]:
    """The leading ratio against α = 1, 0 and 0.5 and against what needs no training, in one sentence if it can be."""
    row = leader(table, about.objective)
    compared = references_of(table, row)
    if not compared:
        yield f"No other ratio of 0, 0.5 and 1 has two seeds, which {alphas([row.ratio])} could be compared with."
    if claims.equal and not claims.differ:
        largest = max(one.estimate.p_equivalent(table.margin or 0.0) for one in pairs_of(table))
        references = alphas([float(reference) for reference in table.rows[0].against])
        yield f"All ratios equal {references} within {table.margin:g} (two one-sided tests, {at_most_p(largest)})."
        compared = []
    parts = _parts(compared, row.against_rival, table, about)
    if parts:
        is_named = not parts[0].startswith("beats") and compared
        start = f"{alphas([row.ratio])}, {_rank_of(row, table)}," if is_named else alphas([row.ratio])
        source = f"95 % intervals, p after Holm over {counted(claims.compared, 'comparison')}"
        yield f"{start} {'; it '.join(parts)}; {source}."


def _parts(compared: Sequence[Comparison], rival: Comparison | None, table: RatioTable, about: Subject) -> list[str]:
    """What a ratio is shown to be, and what it is not shown to be, each with all that it is compared with."""
    better, worse, equal, open_ = _sorted_out(compared, table, about.objective)
    beaten, above, unlike = (_bracketed(those, about) for those in (better, worse, open_))
    against = (
        "" if rival is None or table.rival is None else rival_name(table.rival, difference_words(rival, about.places))
    )
    parts = []
    if against and rival is not None and is_shown(rival):
        (beaten if is_better(rival, about.objective) else above).append(against)
        against = ""
    if beaten:
        parts.append("beats " + listed(beaten))
    if above:
        parts.append("is worse than " + listed(above))
    if equal:
        parts.append(f"is equal within {table.margin:g} to " + listed(_equal(equal, table.margin or 0.0, about)))
    if unlike:
        parts.append("is not shown to differ from " + listed(unlike, "or"))
    if against and unlike:
        parts[-1] += f", nor to beat {against}"
    elif against:
        parts.append(f"is not shown to beat {against}")
    return parts


def _rank_of(row: RatioRow, table: RatioTable) -> str:
    many = sum(other.barred is None for other in table.rows)
    return "the best by its mean" if row.barred is None and many > 1 else "the first by its mean"


def _equal(compared: Sequence[Comparison], margin: float, about: Subject) -> list[str]:
    """With the p of equivalence: a 95 % interval may reach beyond the margin, as two tests at .05 look at 90 %."""
    words = [
        f"{signed(one.difference, about.places)}, two one-sided tests: {p_words(one.estimate.p_equivalent(margin))}"
        for one in compared
    ]
    return [kind_of(float(one.reference), more) for one, more in zip(compared, words, strict=True)]


def _bracketed(compared: Sequence[Comparison], about: Subject) -> list[str]:
    return [kind_of(float(one.reference), difference_words(one, about.places)) for one in compared]


def _sorted_out(
    compared: Sequence[Comparison], table: RatioTable, objective: Objective
) -> tuple[list[Comparison], list[Comparison], list[Comparison], list[Comparison]]:
    """Shown to be better, to be worse, to be equal within the margin, and not shown."""
    better = [one for one in compared if is_better(one, objective)]
    worse = [one for one in compared if is_shown(one) and one not in better]
    left = [one for one in compared if not is_shown(one)]
    equal = [one for one in left if is_equal(one, table.margin)]
    return better, worse, equal, [one for one in left if one not in equal]


def of_one_seed(table: RatioTable, about: Subject, seeds: int) -> Iterator[str]:
    """What trainings with one seed come to."""
    several = [row.ratio for row in table.rows if row.seeds > 1]
    who = f"only {alphas(several)} has more than one seed" if several else "each ratio has one seed"
    yield (
        f"{about.on}, nothing can be said about ratios for {about.metric}: {who}, "
        "and other seeds might order them differently."
    )
    row = leader(table, about.objective)
    figure = figure_words(row.figure.value, about.places)
    against = _bracketed(references_of(table, row), about)
    if row.against_rival is not None and table.rival is not None:
        against.append(rival_name(table.rival, difference_words(row.against_rival, about.places)))
    line = f"Of these trained models that of {alphas([row.ratio])} has the best figure, {figure}"
    if against:
        line += f", against {listed(against)}; over questions alone, p after Holm"
    yield f"{line}."
    if seeds < 3:
        yield "Three seeds or more of every ratio (study.seeds) would tell about ratios; two would approximately."


def on_direction(about: Subject) -> Iterator[str]:
    """That the study looks for something else than what is good by the metric's definition, if it does."""
    better, does = better_of(about.key), f"{about.objective.direction.replace('ize', 'ise')}s"
    if better == "target":
        yield (
            f"The study {does} {about.metric}, which is best near the value that favours no language, and neither as "
            "high nor as low as it can be: the best by the study need not be the fairest."
        )
    elif better is not None and (better == "lower") != (does == "minimises"):
        yield f"The study {does} {about.metric}, of which {better} is better."


def notes_on(table: RatioTable, about: Subject) -> Iterator[str]:
    """What a reader must know beside the sentences."""
    alone = [row.ratio for row in table.rows if row.seeds == 1]
    if alone:
        yield f"{alphas(alone)}: one seed, so nothing is said about it."
    if (line := two_seeds(table.rows)) is not None:
        yield line
    if table.cross_fitted is not None:
        yield (
            f"The best of {counted(table.complete, 'ratio')} by the mean was chosen, which flatters its figure and "
            f"its gains; cross-fitted, the figure is {figure_words(table.cross_fitted, about.places)}."
        )
    worse = worse_members(table, about.objective)
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        yield (
            f"{alphas(worse)} {verb} worse than another ratio by p after Holm, but not by the stricter correction of "
            "the confidence set, which is the answer."
        )
    breaking = [row.ratio for row in table.rows if row.barred == "constraint"]
    if breaking:
        yield f"A constraint of the study is broken by {alphas(breaking)}, which cannot be best."
    lacking = [row.ratio for row in table.rows if row.barred == "seeds"]
    if lacking:
        yield f"Without all seeds, and so not among those that may be best: {alphas(lacking)}."
    equal = equal_pairs(table)
    if equal and not Claims.of(table).equal:
        texts = listed(alphas([float(reference), ratio]) for ratio, reference in equal)
        yield f"Equal within {table.margin:g} (two one-sided tests, p < 0.05 each): {texts}."
