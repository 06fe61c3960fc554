"""Errors that are meant for the user: one clear message that names the thing and the fix."""

import errno

OUT_OF_MEMORY = "out of memory; launcher.workers=1, a shorter model.max_passage_tokens or a smaller model needs less"
LESS_FOR_TRAINING = "train.gradient_cache=true with a smaller train.tokens_per_pass, or a smaller train.batch_size"
ALLOCATION_FAILED = (
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "std::bad_alloc",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)
OF_DEVICES = ("cuda", "cublas", "cudnn", "hip", "nccl")


class SweepError(Exception):
    """Something the user can act on; printed without a traceback. Ends the command with `exit_status`."""

    exit_status = 1


class InputError(SweepError):
    """Bad input: configuration, data or model. Ends the command with status 2."""

    exit_status = 2


class TrialFailed(SweepError):
    """A trial cannot give a result (NaN loss, NaN embedding); the study goes on without it.

    All ranks of the trial raise it at the same place, and go on together. What one of them alone finds is another
    SweepError, which ends all of them.
    """


class Interrupted(SweepError):
    """The user stopped the study; everything finished is saved. Ends the command with status 130."""

    exit_status = 130


class Fenced(SweepError):
    """Another attempt has taken a trial over: this one drops it, and changes nothing any more."""

    exit_status = 76  # of a group of processes that can drop it only by ending


class DatabaseUnusable(SweepError):
    """The study's database is away for too long, or cannot be used at all; no fault of a trial."""


class DatabaseRefuses(DatabaseUnusable):
    """The study's database does not accept what was given: user, password, name. Ends the command with status 2."""

    exit_status = 2


class ArtifactsUnusable(SweepError):
    """The place of a study's artifacts is away for too long, or what is there cannot be used; no fault of a trial."""


QUOTED = 80  # characters of what a message quotes


def shortened(text: str, length: int = QUOTED) -> str:
    """What a message quotes, cut in the middle if it is long."""
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def is_device_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or what it came from, says that a GPU had no memory left."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    if any(words in text for words in ALLOCATION_FAILED) and any(name in text for name in OF_DEVICES):
        return True
    return error.__cause__ is not None and is_device_out_of_memory(error.__cause__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or what it came from, says that there was no memory left, whichever library it is of."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    if type(error).__name__ == "OutOfMemoryError" or any(words in text for words in ALLOCATION_FAILED):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)
