"""A progress bar on stderr, for the command line; the library reports fractions and prints nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[float], None]


@contextmanager
def bar(text: str, quiet: bool = False) -> Iterator[Report | None]:
    """Show a bar while the block runs; yield what to call with the fraction done (None: no terminal)."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(text, total=1.0)
        yield lambda fraction: shown.update(task, completed=fraction)
