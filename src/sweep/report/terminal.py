"""A study's answer in the terminal."""

from rich.console import Console

from sweep.answer.contents import Headline
from sweep.answer.study_answer import StudyAnswer
from sweep.records.data_record import data_lines
from sweep.report.certainty import print_certainty
from sweep.report.narrow import print_line
from sweep.report.pareto import print_front
from sweep.report.rivals import print_rivals
from sweep.report.summary import print_summary

ONE_SEED = "One seed: the figures are those of these trained models; nothing is said about the settings themselves."


def print_answer(console: Console, answer: StudyAnswer, headline: Headline | None = None) -> None:
    """Print the answer in sentences, and then the results, the front of several objectives, and how sure the results
    are."""
    if headline is not None:
        console.print()
        print_line(console, " ".join(headline.sentences), style="bold")
        for note in headline.notes:
            print_line(console, note)
        console.print()
    print_summary(console, answer)
    print_front(console, answer.front, answer.objectives)
    print_certainty(console, answer.certainty, answer.objectives[0], is_summed_up=headline is not None)
    print_rivals(console, answer.rivals, answer.objectives[0])
    if len(answer.points) > 1 and not answer.certainty.tables and all(len(row.records) == 1 for row in answer.points):
        print_line(console, ONE_SEED)
    for line in data_lines(answer.data):
        print_line(console, line)
