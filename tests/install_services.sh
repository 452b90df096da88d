#!/bin/sh
# Installs the real servers the tests talk to: from apt where that is allowed, else says what is missing.
# The servers are started by the tests themselves, on loopback, with configurations of their own.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need dovecot dovecot-imapd
need redis-server redis-server
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
need chromium chromium
need mbsync isync
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing fonts-noto-cjk >/tmp/crm-sync-apt.log 2>&1 || { tail -n 20 /tmp/crm-sync-apt.log >&2; exit 1; }
    exit 0
fi
echo "The tests need these packages: $missing. Install them, e.g. sudo apt-get install$missing" >&2
exit 1
