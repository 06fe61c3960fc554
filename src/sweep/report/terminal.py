"""A study's answer in the terminal."""

from rich.console import Console

from sweep.report.answer import StudyAnswer
from sweep.report.certainty import print_certainty
from sweep.report.pareto import print_front
from sweep.report.summary import print_summary


def print_answer(console: Console, answer: StudyAnswer) -> None:
    """Print the results, the front of several objectives, and how sure the results are."""
    print_summary(console, answer)
    print_front(console, answer.front, answer.objectives)
    print_certainty(console, answer.certainty, answer.objectives[0])
