"""What the user is told when the mistake is in what was given to us, not in the code."""

from __future__ import annotations

import re

#: What a terminal or a log takes as a command, or shows in another order than it stands: controls, lone surrogates
#: (bytes of a name that are not UTF-8), separators of lines, marks of direction, and invisible tags.
_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)


def printable(text: str, keep: str = "") -> str:
    """`text` with every letter that could act instead of being seen written as Python writes it, as `\\x1b`.

    keep: letters that are left as they are.

    >>> printable("car\\x1b[2J.jpg")
    'car\\\\x1b[2J.jpg'
    """
    return _COMMANDS.sub(lambda found: found[0] if found[0] in keep else _visible(found[0]), text)


def _visible(letter: str) -> str:
    return f"\\x{ord(letter) - 0xDC00:02x}" if 0xDC80 <= ord(letter) <= 0xDCFF else ascii(letter)[1:-1]


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
        place = f"{printable(self.where)}: " if self.where else ""
        mend = f"\n  mend: {printable(self.mend)}" if self.mend else ""
        return f"{place}{printable(self.what)}{mend}"


class Unusable(UserError):
    """Data that cannot be used at all (`svrn data verify` exits with 2 on it)."""


class Interrupted(Exception):
    """A training was asked to stop (SIGTERM, SIGUSR1), has saved its state and can be resumed.

    The command line exits with `exit_code`, on which the workflow tries again.
    """

    exit_code = 75  # EX_TEMPFAIL
