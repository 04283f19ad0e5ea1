"""The one error that users see."""


class SpivaeError(Exception):
    """Something went wrong that a person can put right.

    The message is one line that says what is wrong, where, and what to do. The command line prints it
    after ``error:`` and exits with `exit_code`: 2 where the input was wrong, 1 where the work failed.
    """

    exit_code = 2


class WorkFailed(SpivaeError):
    """The input was fine, but the work could not be finished (a full disk, a diverged training)."""

    exit_code = 1
