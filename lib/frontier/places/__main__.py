"""``python -m frontier.places REQUEST``: the worker of a job, on a node or in a container there."""

from __future__ import annotations

import json
import sys

from frontier.errors import FrontierError
from frontier.places.element import TIE, TOLD_TO_END, end_on_term, end_with
from frontier.places.worker import work

if __name__ == "__main__":
    end_on_term()
    request = json.loads(sys.argv[1])
    try:
        if TIE in request:
            end_with(request[TIE])
        work(request)
    except FrontierError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(TOLD_TO_END)
