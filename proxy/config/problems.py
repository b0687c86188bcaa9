"""What is wrong with a config file: where it stands and what to do about it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.config.document import START, Fault, written

MAX_PROBLEMS: Final = 1000
"""More are not looked for: a config may be hostile, and nobody reads so far."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. `line` and `column` count from 1; `where` is the path inside the file.

    The message never repeats what could be a secret: values are not quoted, only keys and ids.
    """

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.file}:{self.line}:{self.column}: {place}{self.message}"


class ConfigProblems(Exception):  # noqa: N818 - many problems, one exception
    """A config that cannot be used; `problems` are all that was found, in the file's order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ConfigUnreadable(ConfigProblems):
    """The file is missing, or may not be read."""


def problems_at(file: str, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """*faults* as problems of *file*, each once, in the file's order."""
    problems = sorted(
        {
            Problem(file, fault.mark.line, fault.mark.column, written(fault.path), fault.message)
            for fault in faults
        }
    )
    if len(problems) > MAX_PROBLEMS:
        more = f"has more problems than these {MAX_PROBLEMS}; mend them first"
        problems[MAX_PROBLEMS:] = [Problem(file, START.line, START.column, "", more)]
    return tuple(problems)
