"""SIGTERM and Ctrl+C: at once, or where the work can be left."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """The run was told to end; `number` is the signal's, `at` where a checkpoint was left."""

    def __init__(self, number: int, at: str | None = None) -> None:
        super().__init__(number)
        self.number = number
        self.at = at


class Interrupt:
    """Listens to the signals from when it is made."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._is_deferred = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within it a signal is only noted in `number`; one that was not looked at ends the run after it."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        if self.number is not None:
            raise Interrupted(self.number)

    def _handle(self, number: int, _frame: object) -> None:
        # Once: a terminal and a parent process may both signal.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        self.number = number
        if not self._is_deferred:
            raise Interrupted(number)
