"""Processes that end with whoever started them, and take everything they started along.

Every command runs in a session of its own below a small *guard* process (``python -m frontier.processes``). The guard holds the read end of a
pipe whose write end only the starter holds. When the pipe closes - the starter ended, or was killed with SIGKILL - or when the guard gets
SIGTERM, it kills all its descendants and leaves.

On Linux the guard is a *child subreaper* (``prctl(2)``): orphans of the command become the guard's children whatever session they moved to, so
none escapes; and the command has ``PR_SET_PDEATHSIG``, so it dies when the guard itself is killed. What the command had started then carries
a mark in its environment and is found by it at the next :meth:`Child.stop`. Elsewhere (macOS) there is no subreaper and no death signal: the
guard finds descendants by the process tree and by the mark, so a process that left the tree *and* cleared its environment survives, and so does
everything if the guard itself is killed until :meth:`Child.stop` is called. Windows is not supported.
"""

from frontier.processes.child import Child, check_cores, run_to_end, start
from frontier.processes.trees import MARK

__all__ = ["MARK", "Child", "check_cores", "run_to_end", "start"]
