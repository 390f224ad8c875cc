"""The fault of a whole host: all of its processes are cut off at once."""

from tests.faults.injectors.storm import Storm

LONGEST_SECONDS = 30.0


async def cut_off(storm: Storm) -> str:
    """Cut all processes behind the links off from broker and database for a while.

    Afterwards the data that they sent arrives late or is lost, with equal probability.
    """
    links = storm.site.broker_link, storm.site.database_link
    seconds = storm.random.uniform(3, LONGEST_SECONDS)
    for link in links:
        link.hold()
    try:
        await storm.last(seconds)
    finally:
        arrives = storm.random.random() < 0.5
        for link in links:
            link.let_go() if arrives else link.cut()
    return f"second host cut off for {seconds:.0f} s, then {'let go' if arrives else 'cut'}"
