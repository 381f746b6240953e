#!/bin/sh
# Discovery by DNS-SD with a real avahi-daemon and a bus of our own, in a network of its own that has nothing but loopback: nobody outside hears it, and nothing
# that runs on this machine answers. A server announces itself, another replica finds it and pulls from what it found.
set -eu
skip() { echo "skipped: $1"; exit 0; }

if [ "${1:-}" != inside ]; then
    for program in avahi-daemon dbus-daemon ip unshare; do
        command -v $program >/dev/null 2>&1 || [ -x /usr/sbin/$program ] || skip "no $program here"
    done
    unshare -n true 2>/dev/null || skip "no network of its own may be made here"
    exec unshare -n sh "$0" inside
fi

PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${PROPHET_TEST_DIR:-/tmp}/prophet-discover-XXXXXX" 2>/dev/null || mktemp -d /tmp/prophet-discover-XXXXXX)
pids=
finish() {
    # shellcheck disable=SC2086 # a list of words
    [ -z "$pids" ] || kill $pids 2>/dev/null || :
    wait 2>/dev/null || :
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() { echo "$1"; shift; for file; do echo "--- $file"; cat "$file"; done; exit 1; }
prophet() { "$PROPHET_BUILD_DIR/prophet" "$@"; }
unset LUA_PATH LUA_CPATH PROPHET_DB

# until WHAT COMMAND..: runs it again and again until it succeeds, for 30 seconds at most.
until_true() {
    what=$1
    shift
    ends=$(($(date +%s) + 30))
    until "$@" >"$work/last" 2>&1; do
        [ "$(date +%s)" -lt $ends ] || fail "not in time: $what" "$work"/*.log "$work/last"
    done
}

cd "$work"
ip link set lo up
prophet --db ann init >ann.log
prophet --db ann serve --listen 0.0.0.0:0 --announce >none.log 2>&1 && fail "a server is announced without a daemon" none.log
grep -q "built without discovery" none.log && skip "built without libavahi-client-dev"
grep -q "^prophet: network: .*avahi-daemon" none.log || fail "no word of the daemon" none.log
prophet --db ann peers --discover >none.log 2>&1 && fail "somebody is found without a daemon" none.log
grep -q "^prophet: network: .*avahi-daemon" none.log || fail "no word of the daemon" none.log

cat >bus.conf <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$work/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
END
cat >avahi.conf <<END
[server]
host-name=tester
use-ipv6=no
[publish]
publish-hinfo=no
publish-workstation=no
END
export DBUS_SYSTEM_BUS_ADDRESS="unix:path=$work/bus"
dbus-daemon --config-file=bus.conf --nofork --nopidfile >bus.log 2>&1 &
pids="$pids $!"
until_true "the bus" test -S bus
avahi-daemon -f "$work/avahi.conf" --no-drop-root --no-chroot --no-rlimits >avahi.log 2>&1 &
pids="$pids $!"
until_true "avahi" grep -q "startup complete" avahi.log

prophet clone ann bob >clone.log
prophet --db ann serve --announce --listen 127.0.0.1:0 >loop.log 2>&1 && fail "loopback is announced" loop.log
grep -q "^prophet: usage: .*this machine alone" loop.log || fail "no reason" loop.log
[ "$(prophet --db bob peers --discover)" = "nobody nearby serves this database" ] || fail "somebody is there"

prophet --db eve init >eve.log # another database is nobody's business
"$PROPHET_BUILD_DIR/prophet" --db eve serve --listen 0.0.0.0:0 --announce --quiet >eve-serve.log 2>&1 &
pids="$pids $!"
"$PROPHET_BUILD_DIR/prophet" --db ann serve --listen 0.0.0.0:0 --announce --quiet --json >serve.log 2>&1 &
server=$!
pids="$pids $server"
found() { prophet --db bob peers --discover --json >found.json && [ -s found.json ]; }
until_true "ann is found" found
[ "$(wc -l <found.json)" -eq 1 ] || fail "more than one was found" found.json
replica=$(prophet --db ann info --format '{replica}')
grep -q "\"replica\":\"$replica\"" found.json || fail "another replica" found.json
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' found.json)
prophet --db bob pull "$url" >pull.log 2>&1 || fail "cannot pull from $url" pull.log
[ -z "$(prophet --db ann peers --discover --quiet)" ] || fail "ann finds itself"

kill $server
wait $server || fail "the server ended badly" serve.log
gone() { prophet --db bob peers --discover --json >found.json && [ ! -s found.json ]; }
until_true "ann is gone" gone
