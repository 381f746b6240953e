# Shared by ./quickstart and tests/run (sourced, not run): installs what is missing with apt and builds.
# Leaves the working directory at the top of the checkout.

# To build and run the library; each with what it is for.
BUILD_PACKAGES="
gcc libc6-dev
cmake ninja-build
liblmdb-dev
libssl-dev ca-certificates
libzstd-dev
libjansson-dev
libcurl4-openssl-dev libexpat1-dev
libmicrohttpd-dev
libutf8proc-dev libstemmer-dev
liblua5.4-dev lua5.4"
# To test it: git, busted, luacheck, an independent CBOR, the formatter and checker, libFuzzer, nm, and the
# linker flags of an installed copy, and the servers of tests/services.
TEST_PACKAGES="
git
lua-busted lua-check
python3 python3-cbor2
openssl curl nginx-light libnginx-mod-http-dav-ext apache2-bin rsync openssh-server openssh-client
clang-format clang-tidy
clang libclang-rt-14-dev llvm
libavahi-client-dev avahi-daemon dbus-daemon iproute2
binutils pkg-config make"
# The object store of tests/services, with tests/run --services.
SERVICE_PACKAGES="radosgw ceph-mon ceph-mgr ceph-osd ceph-common"
# To compare it in bench/.
BENCH_PACKAGES="libsqlite3-dev"

say() { printf '%s\n' "$*"; }

# setup_packages PACKAGE...: installs those that are missing. Asks nothing.
setup_packages() {
    missing=
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || { say "missing:$missing (and no apt-get here: install them by hand)"; return 1; }
    say "installing$missing"
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    # shellcheck disable=SC2086 # lists of words
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c "$setup_install" setup $missing
}

# The tests start servers of their own, on loopback: none is to run just because it was installed.
setup_install='
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    trap "exit 130" INT TERM
    printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy"
fi
apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends "$@" >/dev/null
'

# setup_configure PRESET [OPTION..]: configures build/PRESET.
setup_configure() {
    preset=$1
    shift
    cmake --preset "$preset" "$@" >"${TMPDIR:-/tmp}/prophet-configure.$$" 2>&1 || {
        cat "${TMPDIR:-/tmp}/prophet-configure.$$"
        rm -f "${TMPDIR:-/tmp}/prophet-configure.$$"
        return 1
    }
    rm -f "${TMPDIR:-/tmp}/prophet-configure.$$"
}
