"""Where the console script `sapo` enters, before anything is known to be in order.

What the user named for this package to load (own methods) is loaded with the command line, so what
is wrong with it is told here, as any wrong input.
"""

from __future__ import annotations

import sys

from sapo_analysis.errors import InputError


def main() -> None:
    """Load the command line and carry out what it was given."""
    try:
        from sapo_analysis.cli import main as command_line
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    command_line()
