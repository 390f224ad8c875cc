"""Settings of Python's cyclic garbage collector that make it run rarely."""

import gc

# Python's default of 700 is meant for small programs. A request or message makes some hundred objects, nearly
# all of which are freed without the collector. With the default, long-lived objects were examined again and
# again: a fifth of the cost of a request, and most of the cost of ten thousand held ones.
NEW_OBJECTS = 50_000
ROUNDS_OF_THE_YOUNG, ROUNDS_OF_THE_MIDDLE = 5, 10


def freeze() -> None:
    """Exclude everything loaded so far from garbage collection, and collect new objects rarely.

    Call this once, when everything is imported.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, ROUNDS_OF_THE_YOUNG, ROUNDS_OF_THE_MIDDLE)
