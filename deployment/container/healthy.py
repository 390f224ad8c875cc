"""Exit with 0 if an address of this container answers: the one given, or the metrics of its process."""

import os
import sys
import urllib.request

TIMEOUT_SECONDS = 5


def main() -> None:
    metrics = f"http://127.0.0.1:{os.environ.get('CHECKOUT_METRICS_PORTS', '').partition('-')[0]}/metrics"
    url = sys.argv[1] if len(sys.argv) > 1 else metrics
    # Web answers for its own names only.
    host = os.environ.get("ALLOWED_HOSTS", "localhost").partition(",")[0]
    request = urllib.request.Request(url, headers={"Host": host})  # noqa: S310 (its own address)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return
    except (OSError, ValueError) as error:
        sys.exit(f"{url}: {error}")


if __name__ == "__main__":
    main()
