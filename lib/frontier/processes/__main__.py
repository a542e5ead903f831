"""The guard of one command; see the package."""

import sys

from frontier.processes.guard import guard

if __name__ == "__main__":
    sys.exit(guard())
