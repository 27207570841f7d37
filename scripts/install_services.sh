#!/bin/sh
# Installs Redis, PostgreSQL and Chromium from the distribution where they are missing. `make test-system` needs them.
# The tests start these programs themselves: no system service is started.
set -eu

missing=""
command -v redis-server > /dev/null || missing="redis-server"
command -v postgres > /dev/null || ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1 || missing="$missing postgresql"
command -v chromium > /dev/null || missing="$missing chromium"
[ -z "$missing" ] && exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
if ! command -v apt-get > /dev/null || { [ -n "$as_root" ] && ! command -v sudo > /dev/null; }; then
    echo "Please install: $missing" >&2
    exit 1
fi

echo "Installing $missing ..."
policy=/usr/sbin/policy-rc.d # Debian asks it whether a service may be started
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" > /dev/null
    $as_root chmod 755 "$policy"
    trap '$as_root rm -f "$policy"' EXIT
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # several packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends $missing > /dev/null
