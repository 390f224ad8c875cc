"""A relay for each host of an address. A test breaks all of them at once."""

from urllib.parse import urlsplit, urlunsplit

from tests.support.proxy import Proxy


class Proxies:
    """One relay for each host. ``url`` is the servers' address through these relays."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._login, at, hosts = self._target.netloc.rpartition("@")
        self._login += at
        self._every = [Proxy(self._address(host)) for host in hosts.split(",")]

    def _address(self, hosts: str) -> str:
        return urlunsplit(self._target._replace(netloc=f"{self._login}{hosts}"))

    @property
    def url(self) -> str:
        return self._address(",".join(urlsplit(each.url).netloc.rpartition("@")[2] for each in self._every))

    async def accept(self) -> None:
        """Accept connections."""
        for each in self._every:
            await each.accept()

    def cut(self) -> None:
        """Reset every connection."""
        for each in self._every:
            each.cut()

    def hold(self) -> None:
        """Keep connections open but forward nothing."""
        for each in self._every:
            each.hold()

    def let_go(self) -> None:
        """Forward again, starting with the bytes that were held."""
        for each in self._every:
            each.let_go()

    def forget_servers(self) -> None:
        """Reset connections on the servers' side only."""
        for each in self._every:
            each.forget_servers()

    def delay(self, seconds: float) -> None:
        """Delay all bytes from now on by this many seconds, in each direction."""
        for each in self._every:
            each.delay(seconds)

    async def close(self) -> None:
        """Close every socket."""
        for each in self._every:
            await each.close()
