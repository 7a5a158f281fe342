"""Python's garbage collector beside many objects that stay: the loaded models."""

from __future__ import annotations

import gc


class SetAside:
    """Spares the collector what has been loaded. Used by one thread.

    Walking the loaded models again and again costs more than small requests do, so what
    lives after a change is set aside. To find garbage among that, everything is walked:
    some 60 ms in which no request is answered, for 100,000 objects. Models free their
    memory without that when they are unloaded; so it is done only when as many objects
    have been set aside since the last time as make a quarter of what there was then.
    """

    def __init__(self) -> None:
        self._kept = 0
        self._added = 0

    def after_change(self) -> None:
        """Set aside what lives now; to be called when models have been loaded or unloaded."""
        everything = self._added * 4 >= self._kept
        if everything:
            gc.unfreeze()
        gc.collect()
        gc.freeze()
        # Not `get_objects`, though it would be quicker: it takes a reference to tuples that
        # other threads are still making, which fail in these threads with SystemError.
        aside = gc.get_freeze_count()
        if everything:
            self._kept = aside
        self._added = aside - self._kept

    def stop(self) -> None:
        """Leave everything to the collector again."""
        gc.unfreeze()
