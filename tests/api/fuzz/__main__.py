"""Send generated requests to a running stack and check every answer: ``make fuzz``.

The exit code is 1 if an answer is a server error, or is missing in the OpenAPI document. The program needs
RabbitMQ and PostgreSQL, as ``python -m scripts.with_services`` starts them.
"""

import argparse
import random
import sys

from scripts.with_services import stop_on_signals
from tests.api.fuzz.run import Fuzz
from tests.support.fresh_stack import fresh_stack

ENVIRONMENT = {"CHECKOUT_API_REQUESTS": "10000000"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="(default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one")
    options = parser.parse_args()
    stop_on_signals()
    seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
    with fresh_stack(environment=ENVIRONMENT) as stack:
        # Generated endpoints may have any address, and nothing must be sent there.
        stack.programs["webhooks"].kill()
        result = Fuzz(stack, seconds=60 * options.minutes, seed=seed).run()
    for line in result.lines():
        print(line)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
