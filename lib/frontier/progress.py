"""Progress of a run on stderr, read from the run's folder: trials done, running and left, with an estimate of the time to go."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from frontier.store import RunFolder

POLL_S = 0.5
PLAIN_EVERY_S = 10.0


@dataclass(frozen=True)
class Count:
    """Trials of a run by state, as found on disk."""

    done: int
    running: int
    left: int
    step: str


def count_trials(run: RunFolder, total: int) -> Count:
    """Trials with a record, trials with a folder only, and the rest; and which step the run is at."""
    folders = [folder for folder in (run.path / "trials").glob("*") if folder.is_dir()]
    done = sum((folder / "trial.json").exists() for folder in folders)
    running = len(folders) - done
    if done < total:
        step = "measure"
    elif (run.path / "report.html").exists():
        step = "finish"
    else:
        step = "report" if (run.path / "attribution.json").exists() else "attribute"
    return Count(done, running, total - done - running, step)


class Progress:
    """A display that lives as long as its ``with`` block; a bar on a terminal, a line now and then elsewhere.

    Parameters
    ----------
    run : RunFolder
    total : int
        Trials of the plan.
    """

    def __init__(self, run: RunFolder, total: int) -> None:
        self.run = run
        self.total = total
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._console = Console(stderr=True)
        self._start_s = time.monotonic()
        self._at_start = count_trials(run, total).done

    def __enter__(self) -> Progress:
        """Start polling."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop polling and leave the last state on the screen."""
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        if self._console.is_terminal:
            self._poll_bar()
        else:
            self._poll_lines()

    def _poll_bar(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rest]}"), TimeElapsedColumn())
        with Bar(*columns, console=self._console) as bar:
            task = bar.add_task("measure", total=self.total, rest="")
            while True:
                last = self._stop.wait(POLL_S)
                count = count_trials(self.run, self.total)
                bar.update(task, completed=count.done, description=count.step, rest=self._rest(count))
                if last:
                    return

    def _poll_lines(self) -> None:
        shown, at_s = "", float("-inf")
        while True:
            last = self._stop.wait(POLL_S)
            count = count_trials(self.run, self.total)
            text = f"{count.step}: {count.done}/{self.total} trials done{self._rest(count)}"
            if text != shown and (last or count.step not in shown or time.monotonic() - at_s >= PLAIN_EVERY_S):
                sys.stderr.write(text + "\n")
                sys.stderr.flush()
                shown, at_s = text, time.monotonic()
            if last:
                return

    def _rest(self, count: Count) -> str:
        if count.done >= self.total:
            return ""
        text = f", {count.running} running, {count.left} left"
        fresh = count.done - self._at_start
        if fresh > 0:
            left_s = (time.monotonic() - self._start_s) / fresh * (self.total - count.done)
            text += f", about {left_s:.0f} s to go" if left_s < 120 else f", about {left_s / 60:.0f} min to go"
        return text
