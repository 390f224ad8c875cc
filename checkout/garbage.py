"""Settings of Python's cyclic garbage collector that make it run seldom."""

import gc

# Python's own 700 is meant for small programs. A request or message makes some hundred objects, nearly all of
# which go without the collector, and those that are held for a while were looked at again and again: a fifth
# of what a request cost, and most of what ten thousand held ones did.
NEW_OBJECTS = 50_000
ROUNDS_OF_THE_YOUNG, ROUNDS_OF_THE_MIDDLE = 5, 10


def leave_the_program_alone() -> None:
    """Never look again at what has been loaded by now, and seldom at what is new.

    To be called once, when everything is imported.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, ROUNDS_OF_THE_YOUNG, ROUNDS_OF_THE_MIDDLE)
