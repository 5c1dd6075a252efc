"""The command line, as `ontune` and as `python -m ontune`."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command that the process was started with."""
    gc.disable()  # while what the command line is made of is imported, there is nothing to collect
    from ontune.cli import main as run

    run()


if __name__ == "__main__":
    main()
