"""What the user is told when the mistake is in what was given to us, not in the code."""

from __future__ import annotations


class UserError(Exception):
    """A mistake of the user's: the command line prints it without a traceback and exits with `exit_code`.

    what: what is wrong, with the value that was seen.
    where: the file, line or key it was found in.
    mend: what to do about it, as a command or as the valid choices.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what, where, mend)
        self.what = what
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"\n  mend: {self.mend}" if self.mend else ""
        return f"{place}{self.what}{mend}"


class Unusable(UserError):
    """Data that cannot be used at all (`svrn data verify` exits with 2 on it)."""


class Interrupted(Exception):
    """A training was asked to stop (SIGTERM, SIGUSR1), has saved its state and can be resumed.

    The command line exits with `exit_code`, on which the workflow tries again.
    """

    exit_code = 75  # EX_TEMPFAIL
