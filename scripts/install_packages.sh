#!/bin/sh
# Install the missing Debian packages that the tests use, without starting their services. This needs root, or
# sudo without a password. Otherwise the script only prints what is missing, and the tests skip what needs it.
set -eu

is_present() {
    case $1 in
    rabbitmq-server) [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
    postgresql) ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ;;
    chromium) command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null ;;
    nodejs) command -v node >/dev/null ;;
    nginx) [ -x /usr/sbin/nginx ] ;;
    systemd) command -v systemd-analyze >/dev/null ;;
    iproute2) command -v ip >/dev/null ;;
    nftables) command -v nft >/dev/null ;;
    webkit2gtk-driver) command -v WebKitWebDriver >/dev/null ;;
    netavark) [ -x /usr/lib/podman/netavark ] ;;
    xvfb) command -v Xvfb >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

missing=
# Where there is no Chromium without windows, the ordinary one is used.
for package in ${PACKAGES:-rabbitmq-server postgresql chromium-headless-shell chromium nodejs npm faketime wrk nginx \
    systemd iproute2 openssl nftables promtool} ${MORE_PACKAGES:-}; do
    is_present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Missing:$missing. This is not Debian or Ubuntu: install them by hand." >&2
    exit 0
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "Missing, and installing needs root: apt install$missing" >&2
    exit 0
fi

echo "Installing Debian packages:$missing"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # Debian's maintainer scripts run it before they start a service; exit code 101 forbids that
forbids=
trap 'rm -f "$log"; [ -z "$forbids" ] || $as_root rm -f "$policy"' EXIT
if [ ! -e "$policy" ]; then
    forbids=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
fi

apt_get() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    return 1
}

apt_get update || true # the cached package lists may suffice
for package in $missing; do
    ! is_present "$package" || continue # another one has brought it
    echo "  $package"
    apt_get install -y --no-install-recommends "$package" || echo "  $package cannot be installed here" >&2
done
