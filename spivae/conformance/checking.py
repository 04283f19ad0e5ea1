"""What a check is, and what running one finds."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from spivae.deadline import within

Status = Literal["passed", "failed", "advice", "skipped"]
SECONDS = 60.0  # that one check may take


class Broken(AssertionError):
    """What a check found wrong, in words for the plugin's author."""


class NotApplicable(Exception):
    """Why a check says nothing of its subject."""


@dataclass(frozen=True)
class Check:
    """One named check of one subject, such as "process sbm".

    `run` answers with a note (or ""), and raises NotApplicable, or Broken, or whatever the plugin raises.
    What an advisory check finds is told, but is no failure.
    """

    subject: str
    name: str
    run: Callable[[], str]
    advisory: bool = False

    def __str__(self) -> str:
        return f"{self.subject}: {self.name}"

    def test(self) -> None:
        """Run it inside a pytest test: what does not apply is skipped, advice is a warning."""
        import warnings

        import pytest

        try:
            self.run()
        except NotApplicable as reason:
            pytest.skip(str(reason))
        except Broken as broken:
            if not self.advisory:
                raise
            warnings.warn(f"{self}: {broken}", stacklevel=2)


Subject = TypeVar("Subject")


def each(
    subject: str, of: Subject, looks: Mapping[str, Callable[[Subject], str]], advisory: Collection[str] = ()
) -> list[Check]:
    """The named checks of one subject, which they look at."""
    return [Check(subject, name, partial(look, of), name in advisory) for name, look in looks.items()]


@dataclass(frozen=True)
class Finding:
    """How a check went."""

    subject: str
    check: str
    status: Status
    note: str
    seconds: float


def require(true: object, message: str) -> None:
    """Raises Broken with this message unless it is true."""
    if not true:
        raise Broken(message)


def find(check: Check) -> Finding:
    """Run a check, for at most `SECONDS`; whatever the plugin raises is its failure."""
    begin = time.perf_counter()
    status: Status = "passed"
    try:
        note = within(SECONDS, check.run)
    except NotApplicable as reason:
        status, note = "skipped", str(reason)
    except Broken as broken:
        status, note = "advice" if check.advisory else "failed", str(broken)
    # the plugin is somebody else's code: this is the report of what it does
    except (Exception, SystemExit) as error:  # noqa: BLE001
        status, note = "failed", f"{type(error).__name__}: {error}"
    return Finding(check.subject, check.name, status, note, time.perf_counter() - begin)


def find_all(checks: Iterable[Check]) -> Iterator[Finding]:
    """Run checks, one after the other."""
    return map(find, checks)


def counts(findings: Iterable[Finding]) -> dict[Status, int]:
    """How many checks passed, failed, gave advice and were skipped."""
    found = Counter(finding.status for finding in findings)
    return {status: found[status] for status in ("passed", "failed", "advice", "skipped")}
