"""The command that a study was last run with, for whoever wants to run it again."""

from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.settings.secrets import redact

FILE = "command.txt"


def write_command(folder: StudyFolder, command: str) -> None:
    """Keep a command, with stars for passwords."""
    if read_command(folder) != redact(command):
        write_atomically(folder.path / FILE, f"{redact(command)}\n")


def read_command(folder: StudyFolder) -> str | None:
    """The command, or None if an earlier version has run the study."""
    try:
        return (folder.path / FILE).read_text(encoding="utf-8", errors="replace").strip() or None
    except FileNotFoundError:
        return None
