"""A synthetic StudyReport with something plausible in every field, for tests of pages, charts and tables.

Nothing is trained or read: values are drawn from a generator with a fixed seed and put through the project's own
statistics, so that figures, intervals and p fit together. The same arguments give the same report.
"""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep.answer.contents import (
    About,
    Cost,
    EndedTrial,
    ExposureRow,
    Headline,
    Importance,
    LanguageRow,
    LanguageTable,
    LearningCurve,
    MovedQuestion,
    PairMatrix,
    PublishedFigure,
    RatioCurve,
    RatioDot,
    StudyReport,
    StudyState,
)
from sweep.answer.points import Front, PointRow, Spread
from sweep.answer.ratios import Certainty, RatioRow, RatioTable
from sweep.answer.study_answer import BaselineRow, StudyAnswer
from sweep.evaluation.comparison import Comparison, Figure
from sweep.records.data_record import DataRecord
from sweep.records.trial_record import TrialRecord
from sweep.settings import Objective
from sweep.statistics.best import cross_fitted, may_be_best
from sweep.statistics.crossed import Estimate, figure_of, paired_difference
from sweep.statistics.smooth import Smooth
from sweep.statistics.uncertainty import holm

BENCHMARK = "xquad_r"
ALIGNMENT = f"{BENCHMARK}/pooled/alignment_consistency"
LANGUAGES = ("en", "de", "fr", "es", "ru", "ar", "hi", "tr", "sw", "am", "te", "yo", "bg", "ne")
NAMES = (
    "English German French Spanish Russian Arabic Hindi Turkish Swahili Amharic Telugu Yoruba Bulgarian Nepali"
).split()
LOW = ("sw", "am", "te", "yo")
UNSEEN = ("bg", "ne")
PARTS = ("", "high", "low", "seen", "unseen")
GROUPS = 60
WRITTEN_MS = 1_770_000_000_000
REFERENCES = (0.0, 0.5, 1.0)
NASTY = "</script><script>alert(1)</script><!-- \"q\" 'a' & \u202eabc\u200f \x1b[31m ${x} {{y}} $z_1$ | **b** `c`"

Values = NDArray[np.float64]
# Family and metric, title, which way is better, digits, level, what the best mix adds, where the optimum lies.
METRICS: tuple[tuple[str, str, Literal["higher", "lower", "target"], int, float, float, float], ...] = (
    ("pooled/alignment_consistency", "Alignment", "higher", 4, 0.58, 0.20, 0.35),
    ("mono/map", "Monolingual mAP", "higher", 4, 0.74, 0.05, 0.80),
    ("cross/map", "Cross-lingual mAP", "higher", 4, 0.62, 0.08, 0.35),
    ("pooled/map", "Pooled mAP", "higher", 4, 0.47, 0.12, 0.40),
    ("pooled/rank_distance", "Rank distance", "lower", 1, 300.0, -90.0, 0.40),
    ("pooled/language_bias", "Language bias", "target", 4, 0.21, -0.15, 0.25),
)


def sample_report(
    ratios: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    languages: Sequence[str] = LANGUAGES,
    name: str = "ratio-grid",
    state: StudyState = "complete",
    objectives: int = 1,
    failed: int = 2,
    combinations: Sequence[str] = ("",),
) -> StudyReport:
    """A study of every ratio with every seed, once for each of the combinations of other searched values
    ("loss.temperature=0.02"). `objectives`: 1, or 2 for a Pareto front."""
    curves = tuple(
        _curve(metric, part, others, ratios, seeds)
        for others in combinations
        for metric, part in product(range(len(METRICS)), PARTS)
    )
    answer = _answer(curves, ratios, seeds, languages, objectives, failed, combinations)
    trials = len(ratios) * len(seeds) * len(combinations)
    return StudyReport(
        name=name,
        state=state,
        finished=trials,
        target=trials + (failed if state != "complete" else 0),
        written_ms=WRITTEN_MS,
        answer=answer,
        headline=_headline(answer, ratios, seeds),
        about=_about(name, ratios, seeds),
        cost=Cost(
            trials,
            3210.0 * trials,
            {"preparing": 210.0 * trials, "training": 2600.0 * trials, "evaluating": 400.0 * trials},
            128_000 * trials,
            9_300_000 * trials,
            3180.0,
        ),
        curves=curves,
        pairs=_pairs(ratios, languages),
        languages=_language_tables(ratios, seeds, languages),
        moved=_moved(languages) if len(ratios) > 1 else (),
        importance=(
            Importance("ratio.monolingual", 0.62),
            Importance("loss.temperature", 0.27),
            Importance("train.learning_rate", 0.11),
        ),
        learning=_learning(ratios, seeds),
        exposure=_exposure(ratios, languages),
        ended=tuple(_ended(ratios, failed)),
        notes=("wiki: 12 of 4,000 passages occur in the benchmark and were left out.",),
    )


def empty_report() -> StudyReport:
    """A study that has just been started: no trial has finished."""
    return replace(
        sample_report(failed=0, state="running"),
        name="just-started",
        finished=0,
        target=15,
        answer=_no_answer(),
        headline=Headline("nothing yet", ("No trial has finished: there is nothing to say yet.", "0 of 15 trials.")),
        cost=Cost(0, 0.0, {}, 0, None, 0.0),
        curves=(),
        pairs=(),
        languages=(),
        moved=(),
        importance=(),
        learning=(),
        exposure=(),
        ended=(),
        notes=(),
    )


def failed_report() -> StudyReport:
    """A study all trials of which FAILED."""
    ended = tuple(_ended((0.0, 0.25, 0.5, 0.75, 1.0), 5))
    failed = tuple(
        TrialRecord(one.key, number, 0, "FAILED", {"ratio.monolingual": 0.25 * number}, 3, reason=one.reason)
        for number, one in enumerate(ended)
    )
    return replace(
        empty_report(),
        name="all-failed",
        state="failed trials",
        target=5,
        answer=replace(_no_answer(), failed=failed),
        headline=Headline("nothing yet", ("All 5 trials failed, so there is nothing to say.",)),
        ended=ended,
    )


def one_trial_report() -> StudyReport:
    """A study of one ratio and one seed."""
    return replace(
        sample_report(ratios=(0.5,), seeds=(0,), name="one-trial", failed=0), importance=(), moved=(), languages=()
    )


def nasty_report() -> StudyReport:
    """Names, texts and errors that must be shown as what they are, wherever they come from."""
    report = sample_report(name=f"nasty {NASTY}", languages=(*LANGUAGES[:4], "ar"))
    return replace(
        report,
        headline=replace(report.headline, notes=(*report.headline.notes, NASTY)),
        about=About(
            f"study:\n  name: '{NASTY}'\n", f"python -m sweep study.name='{NASTY}'", {f"torch {NASTY}": NASTY}, NASTY
        ),
        answer=replace(
            report.answer,
            failed=tuple(replace(one, reason=NASTY) for one in report.answer.failed),
            data=tuple(replace(one, name=NASTY, source=NASTY, languages=(NASTY,)) for one in report.answer.data),
        ),
        curves=tuple(
            replace(
                curve,
                title=f"{curve.title} {NASTY}",
                others=NASTY,
                published=tuple(replace(one, source=NASTY, system=NASTY) for one in curve.published),
            )
            for curve in report.curves
        ),
        pairs=tuple(replace(one, name=f"{one.name} {NASTY}", others=NASTY) for one in report.pairs),
        languages=tuple(
            replace(table, name=NASTY, rows=tuple(replace(row, name=f"{row.name} {NASTY}") for row in table.rows))
            for table in report.languages
        ),
        moved=tuple(replace(one, group=NASTY, texts=(NASTY, NASTY)) for one in report.moved),
        importance=tuple(replace(one, path=f"{one.path} {NASTY}") for one in report.importance),
        learning=tuple(replace(one, key=f"{one.key} {NASTY}") for one in report.learning),
        exposure=tuple(replace(one, point=NASTY) for one in report.exposure),
        ended=tuple(replace(one, key=NASTY, reason=NASTY) for one in report.ended),
        notes=(NASTY,),
    )


def _values(metric: int, part: str, ratio: float, seeds: Sequence[int], others: str = "") -> Values:
    """What each group contributes with each seed (s, g): shared by groups, by seeds, and chance."""
    _, _, _, _, level, gain, best = METRICS[metric]
    scale = abs(gain)
    other = zlib.crc32(others.encode())
    part_shift = {"": 0.0, "high": 0.25, "low": -0.5, "seen": 0.1, "unseen": -0.35}[part]
    optimum = best + (0.15 if part == "low" else 0.0)
    mean = level + gain * (0.6 - 2.2 * (ratio - optimum) ** 2) + scale * (part_shift - 0.4 * (other % 5) / 5)
    groups = np.random.default_rng([metric, 7]).normal(0, 0.6 * scale, GROUPS)
    noise = [np.random.default_rng([metric, seed, int(ratio * 1000), len(part), other]) for seed in seeds]
    return np.stack(
        [mean + groups + rng.normal(0, 0.05) * scale + rng.normal(0, 0.3 * scale, GROUPS) for rng in noise]
    )


def _curve(metric: int, part: str, others: str, ratios: Sequence[float], seeds: Sequence[int]) -> RatioCurve:
    key, title, better, digits, level, gain, _ = METRICS[metric]
    dots = []
    for ratio in ratios:
        value_sg = _values(metric, part, ratio, seeds, others)
        mean = float(value_sg.mean())
        interval = _figure(value_sg).interval
        by_seed = dict(zip(seeds, value_sg.mean(1).tolist(), strict=True))
        dots.append(RatioDot(ratio, mean, interval, by_seed, _key(ratio, others)))
    low = level - 0.55 * gain
    baselines = {
        name: Figure(low + step * gain, (low + (step - 0.1) * gain, low + (step + 0.1) * gain))
        for name, step in (("untouched", 0.0), ("lir", 0.55))
    }
    published: tuple[PublishedFigure, ...] = ()
    if not part and key == "pooled/map":
        published = tuple(
            PublishedFigure("arXiv 2408.10536", f"XLM-R, {system}", ratio, value)
            for system, ratio, value in (("X-Y", 0.0, 0.593), ("hybrid", 0.5, 0.593), ("X-X-mono", 1.0, 0.547))
        )
    whole = f"{BENCHMARK}/{key}{'/' if part else ''}{part}"
    smooth = _smooth(dots, gain) if len(dots) > 3 else None
    return RatioCurve(whole, title, part, better, digits, others, tuple(dots), baselines, published, smooth)


def _smooth(dots: Sequence[RatioDot], gain: float) -> Smooth:
    grid = np.linspace(dots[0].ratio, dots[-1].ratio, 41)
    mean = np.polyval(np.polyfit([dot.ratio for dot in dots], [dot.mean for dot in dots], 2), grid)
    half = abs(gain) * (0.1 + 0.1 * np.abs(grid - 0.5))
    optimum = float(grid[np.argmax(mean * np.sign(gain))])
    interval = (max(0.0, optimum - 0.12), min(1.0, optimum + 0.12))
    low, high = (tuple((mean + sign * half).tolist()) for sign in (-1, 1))
    return Smooth(tuple(grid.tolist()), tuple(mean.tolist()), low, high, optimum, interval)


def _figure(value_sg: Values) -> Figure:
    if len(value_sg) > 1:
        one = figure_of(value_sg)
        return Figure(one.value, one.interval())
    mean, error = float(value_sg.mean()), float(value_sg.std()) / GROUPS**0.5
    return Figure(mean, (mean - 1.96 * error, mean + 1.96 * error))


def _answer(
    curves: Sequence[RatioCurve],
    ratios: Sequence[float],
    seeds: Sequence[int],
    languages: Sequence[str],
    objectives: int,
    failed: int,
    combinations: Sequence[str],
) -> StudyAnswer:
    goals = (
        Objective(metric=ALIGNMENT, direction="maximize"),
        Objective(metric=f"{BENCHMARK}/mono/map", direction="maximize"),
    )[:objectives]
    points = tuple(_point(curves, ratio, seeds, others, goals) for others, ratio in product(combinations, ratios))
    tables = tuple(_ratio_table(others, ratios, seeds) for others in combinations) if len(ratios) > 1 else ()
    first = [curve for curve in curves if not curve.part and not curve.others] or curves
    baselines = tuple(
        BaselineRow(name, {curve.key: Spread(curve.baselines[name].value, None) for curve in first})
        for name in ("untouched", "lir")
    )
    best = max(points, key=lambda point: point.value) if objectives == 1 else None
    ordered = tuple(sorted(points, key=lambda point: -point.values[0])[:3])
    return StudyAnswer(
        benchmark=BENCHMARK,
        objectives=goals,
        chosen_by=ALIGNMENT,
        points=points,
        best=best,
        front=Front(ordered, len(points), 1) if objectives > 1 else None,
        certainty=Certainty(tables, is_partial=False, most_trials=200),
        baselines=baselines,
        failed=tuple(
            TrialRecord(one.key, 90 + place, 9, "FAILED", {}, one.attempts, reason=one.reason)
            for place, one in enumerate(_ended(ratios, failed))
            if one.state == "FAILED"
        ),
        data=(
            DataRecord("training", "wiki", "wiki.parquet", tuple(languages), 128_000, 140_000, "5f" * 32, "a1" * 32),
            DataRecord("evaluation", BENCHMARK, "embedded", tuple(languages), 1190, 2600, "c3" * 32, "b2" * 32),
        ),
    )


def _no_answer() -> StudyAnswer:
    goal = Objective(metric=ALIGNMENT, direction="maximize")
    return StudyAnswer(BENCHMARK, (goal,), ALIGNMENT, (), None, None, Certainty((), False, 200), (), ())


def _point(
    curves: Sequence[RatioCurve], ratio: float, seeds: Sequence[int], others: str, goals: Sequence[Objective]
) -> PointRow:
    dots = {curve.key: dot for curve in curves if curve.others == others for dot in curve.dots if dot.ratio == ratio}
    parameters: dict[str, float] = {"ratio.monolingual": ratio}
    parameters |= {path: float(value) for path, _, value in [others.partition("=")] if path}
    records = tuple(
        TrialRecord(
            f"{_key(ratio, others)},seed={seed}",
            number,
            seed,
            "COMPLETE",
            parameters,
            1,
            dots[goals[0].metric].seeds[seed],
            tuple(dots[goal.metric].seeds[seed] for goal in goals),
            duration_s=3210.0 + number,
        )
        for number, seed in enumerate(seeds)
    )
    figures = {key: Spread.of(list(dot.seeds.values())) for key, dot in dots.items()}
    return PointRow(parameters, records, {key: spread for key, spread in figures.items() if spread is not None})


def _ratio_table(others: str, ratios: Sequence[float], seeds: Sequence[int]) -> RatioTable:
    values = {ratio: _values(0, "", ratio, seeds, others) for ratio in sorted(ratios)}
    references = [ratio for ratio in REFERENCES if ratio in values]
    peers = list(values.values())
    pairs = {
        (reference, ratio): paired_difference(values[reference], values[ratio], peers)
        for reference, ratio in product(references, values)
        if reference != ratio
    }
    lir = METRICS[0][4]
    rivals = {
        ratio: figure_of(value_sg - lir) if len(seeds) > 1 else _of_questions(value_sg - lir)
        for ratio, value_sg in values.items()
    }
    corrected = holm([one.p for one in (*pairs.values(), *rivals.values())])
    compared = {
        pair: Comparison("pooled/alignment_consistency", f"{pair[0]:g}", f"{pair[1]:g}", one, p)
        for (pair, one), p in zip(pairs.items(), corrected[: len(pairs)], strict=True)
    }
    against_rival = {
        ratio: Comparison("pooled/alignment_consistency", "lir", f"{ratio:g}", one, p)
        for (ratio, one), p in zip(rivals.items(), corrected[len(pairs) :], strict=True)
    }
    rows = tuple(
        RatioRow(
            ratio,
            _figure(value_sg),
            len(seeds),
            {f"{reference:g}": compared.get((reference, ratio)) for reference in references},
            against_rival[ratio],
        )
        for ratio, value_sg in values.items()
    )
    best: tuple[float, ...] = ()
    fitted = None
    if len(seeds) > 1:
        best = tuple(list(values)[place] for place in may_be_best(peers))
        fitted = cross_fitted(peers)
    figures = {
        "untouched": Figure(lir - 0.11, (lir - 0.13, lir - 0.09)),
        "lir": Figure(lir, (lir - 0.02, lir + 0.02)),
    }
    return RatioTable(others, rows, best, len(ratios), fitted, 0.01, figures, "lir")


def _of_questions(value_sg: Values) -> Estimate:
    return Estimate(float(value_sg.mean()), float(value_sg.std()) / GROUPS**0.5, GROUPS - 1, over_seeds=False)


def _headline(answer: StudyAnswer, ratios: Sequence[float], seeds: Sequence[int]) -> Headline:
    if len(ratios) < 2:
        return Headline(
            "one ratio",
            ("The study has one ratio, α = 0.5, so there is nothing to compare it with.", "Its alignment is 0.69."),
            ("Add ratios: study.space.ratio.monolingual=[0,0.5,1].",),
        )
    if len(seeds) < 2:
        return Headline("one seed", ("One seed says nothing about ratios.", "Run at least two more seeds."))
    table = answer.certainty.tables[0]
    best = ", ".join(f"{ratio:g}" for ratio in table.best)
    row = table.rows[len(table.rows) // 2]
    one = next((each for each in reversed([*row.against.values()]) if each is not None), row.against_rival)
    assert one is not None
    low, high = one.interval
    return Headline(
        "difference",
        (
            f"The ratios that may be best for alignment at 95 % are α in {{{best}}}.",
            f"Alignment at α = {one.system} is {one.difference:+.3f} (95 % {low:+.3f} to {high:+.3f}, "
            f"p = {one.p_holm:.4f} after Holm) against α = {one.reference}.",
        ),
        ("The figure of the best ratio, cross-fitted, is 0.702; its plain mean is too high, having been chosen.",),
    )


def _about(name: str, ratios: Sequence[float], seeds: Sequence[int]) -> About:
    values = ", ".join(f"{ratio:g}" for ratio in ratios)
    config = (
        f"study:\n  name: {name}\n  seeds: {list(seeds)}\n  space:\n    ratio.monolingual: [{values}]\n"
        "model:\n  kind: hf\n  name: intfloat/multilingual-e5-small\ntrain:\n  steps: 1000\n  batch_size: 128\n"
    )
    versions = {"sweep": "0.1.0", "python": "3.11.9", "torch": "2.6.0", "transformers": "5.0.1", "optuna": "5.0.0"}
    return About(config, f"python -m sweep +experiment=ratio_grid study.name={name}", versions, "e2878c6")


def _pairs(ratios: Sequence[float], languages: Sequence[str]) -> tuple[PairMatrix, ...]:
    """The middle ratio and a baseline."""
    ratio = sorted(ratios)[len(ratios) // 2]
    matrices = []
    named = [(each, f"α = {each:g}") for each in dict.fromkeys((min(ratios), ratio, max(ratios)))]
    for place, (each, title) in enumerate([*named, (None, "untouched")]):
        rng = np.random.default_rng([place, 11])
        hard = np.array([0.25 if code in LOW else 0.12 if code in UNSEEN else 0.0 for code in languages])
        value_qp = 0.75 - hard[:, None] - 0.7 * hard[None, :] + rng.normal(0, 0.02, (len(hard), len(hard)))
        value_qp += 0.12 * np.eye(len(hard)) * (1.0 if each is None else 0.4 + 0.6 * each)
        value_qp -= 0.15 if each is None else 0.1 * (each - 0.4) ** 2
        if len(hard) > 3:
            value_qp[1, 3] = np.nan
        rows = tuple(tuple(row) for row in np.clip(value_qp, 0, 1).tolist())
        matrices.append(PairMatrix("map", each, "", title, tuple(languages), rows))
    return tuple(matrices)


def _language_tables(
    ratios: Sequence[float], seeds: Sequence[int], languages: Sequence[str]
) -> tuple[LanguageTable, ...]:
    if len(ratios) < 2:
        return ()
    names = dict(zip(LANGUAGES, NAMES, strict=True))
    tables = []
    for metric, title in (("pooled/alignment_consistency", "Alignment"), ("mono/map", "Monolingual mAP")):
        rng = np.random.default_rng([len(metric), 5])
        gains = [
            0.08 + 0.06 * (code in LOW) - 0.16 * (code in ("fr", "bg")) + rng.normal(0, 0.02) for code in languages
        ]
        estimates = [Estimate(float(gain), 0.018, 24.0, over_seeds=len(seeds) > 1) for gain in gains]
        corrected = holm([one.p for one in estimates])
        rows = []
        for code, one, p in zip(languages, estimates, corrected, strict=True):
            compared = Comparison(f"{metric}/{code}", "1", "0.5", one, p) if len(seeds) > 1 else None
            shown = compared is not None and p < 0.05
            verdict: Literal["better", "worse", "not shown"] = "not shown"
            if shown:
                verdict = "better" if one.value > 0 else "worse"
            tiers = ("low" if code in LOW else "high", "unseen" if code in UNSEEN else "seen")
            level = float(0.6 - 0.1 * (code in LOW) + rng.normal(0, 0.02))
            name = names.get(code, code)
            rows.append(
                LanguageRow(code, name, tiers, metric, level, level + one.value, one.value, compared, verdict)
            )
        ordered = tuple(sorted(rows, key=lambda row: -row.gain))
        tables.append(LanguageTable(metric, title, 4, "α = 0.5", "α = 1", ordered))
    return tuple(tables)


def _moved(languages: Sequence[str]) -> tuple[MovedQuestion, ...]:
    texts = {
        "de": ("Wie viele Punkte erzielte die Verteidigung der Panthers?", "የፓንተርስ መከላከያ 308 ነጥቦችን ብቻ ሰጠ።"),
        "ar": ("كم عدد النقاط التي سمح بها دفاع بانثرز؟", "The Panthers defense gave up just 308 points."),
        "hi": ("पैंथर्स की रक्षा ने कितने अंक दिए?", "Ulinzi wa Panthers uliruhusu pointi 308 tu."),
    }
    others = (
        "Which team won Super Bowl 50?",
        "Das Team der AFC, die Denver Broncos, besiegte die Carolina Panthers.",
    )
    return tuple(
        MovedQuestion(
            f"xquad-{place}",
            code,
            420.0 - 31 * place if place % 3 else 12.0 + place,
            9.0 + place if place % 3 else 388.0 - place,
            "α = 1",
            "α = 0.5",
            languages[-1 - place % 2],
            texts.get(code, others) if place % 4 != 3 else None,
        )
        for place, code in enumerate((*languages, *languages)[:12])
    )


def _learning(ratios: Sequence[float], seeds: Sequence[int]) -> tuple[LearningCurve, ...]:
    curves = []
    steps = np.arange(10, 1010, 10)
    for ratio, seed in product(ratios, seeds):
        rng = np.random.default_rng([int(ratio * 1000), seed, 13])
        loss = 0.4 + 0.3 * ratio + 3.2 * np.exp(-steps / 140) + rng.normal(0, 0.04, len(steps))
        key = f"{_key(ratio)},seed={seed}"
        curves.append(LearningCurve(key, ratio, seed, "loss", tuple(steps.tolist()), tuple(loss.tolist())))
        checks = steps[9::10]
        rise = 0.7 - 0.35 * np.exp(-checks / 260) - 0.2 * (ratio - 0.4) ** 2 + rng.normal(0, 0.005, len(checks))
        curves.append(LearningCurve(key, ratio, seed, ALIGNMENT, tuple(checks.tolist()), tuple(rise.tolist())))
    return tuple(curves)


def _exposure(ratios: Sequence[float], languages: Sequence[str]) -> tuple[ExposureRow, ...]:
    rows = []
    trained = [code for code in languages if code not in UNSEEN]
    for ratio in ratios:
        pairs = [(one, other) for one, other in product(trained, trained)]
        crossing = max(len(pairs) - len(trained), 1)
        for question, passage in pairs:
            share = ratio / len(trained) if question == passage else (1 - ratio) / crossing
            if share > 0:
                rows.append(
                    ExposureRow(
                        _key(ratio),
                        ratio,
                        question,
                        passage,
                        1000 * share,
                        128_000 * share,
                        share,
                        3.0 if question in LOW else 0.0,
                        2.0 if passage in LOW else 0.0,
                    )
                )
    return tuple(rows)


def _ended(ratios: Sequence[float], failed: int) -> list[EndedTrial]:
    reasons = (
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB; 1.2 GiB of 79 GiB are free",
        "pruned at step 400: its alignment is lower than that of the others (one-sided Wilcoxon, p = 0.012)",
        "worker-1 was killed (signal 9) three times; the machine's memory may be too small",
    )
    states: tuple[Literal["FAILED", "PRUNED"], ...] = ("FAILED", "PRUNED", "FAILED")
    return [
        EndedTrial(f"{_key(ratios[n % len(ratios)])},seed={n + 7}", states[n % 3], 1 + n % 3, reasons[n % 3])
        for n in range(failed)
    ]


def _key(ratio: float, others: str = "") -> str:
    return f"ratio.monolingual={ratio:g}{',' if others else ''}{others}"
