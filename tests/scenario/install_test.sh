#!/bin/sh
# An installed copy is enough for a host: examples/embed.c builds against it with pkg-config and with find_package,
# examples/embed_lua.c with a Lua of its own, and stock lua5.4 loads the module from it. Nothing of the checkout is
# used but the examples.
source=${PROPHET_SOURCE_DIR:?} build=${PROPHET_BUILD_DIR:?}
[ -x "$build/prophet" ] || { echo "skipped: no $build/prophet"; exit 0; }
[ -f "$source/examples/embed.c" ] || { echo "skipped: no examples/embed.c"; exit 0; }
if grep -q 'PH_SANITIZE:STRING=.*address' "$build/CMakeCache.txt"; then
    echo "skipped: a sanitized library wants a sanitized host"
    exit 0
fi
base=${PROPHET_TEST_DIR:-/tmp}
mkdir -p "$base"
work=$(mktemp -d "$base/prophet-install-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND..
    name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $name: $*"
        cat "$work/out"
    fi
}
flags() { PKG_CONFIG_PATH=$pkgconfig pkg-config "$@"; }

check "install" cmake --install "$build" --prefix "$work/prefix"
prefix=$work/prefix
pkgconfig=$(dirname "$(find "$prefix" -name prophet.pc)")
libdir=$(dirname "$(find "$prefix" -name 'libprophet.a')")
strict="-std=c11 -Wall -Wextra -Werror -Wno-unused-parameter"
unset LUA_PATH LUA_CPATH

# shellcheck disable=SC2046,SC2086 # lists of words
check "embed.c with pkg-config" cc $strict "$source/examples/embed.c" -o "$work/embed" \
    $(flags --cflags --libs prophet) -Wl,-rpath,"$libdir"
check "embed runs" "$work/embed" "$work/embed.prophet"
# shellcheck disable=SC2046,SC2086
check "embed.c, static" cc $strict "$source/examples/embed.c" -o "$work/embed_static" \
    $(flags --cflags prophet) "$libdir/libprophet.a" \
    $(flags --static --libs-only-l prophet | sed 's/-lprophet//')
check "embed, static, runs" "$work/embed_static" "$work/embed_static.prophet"

mkdir -p "$work/host"
cat >"$work/host/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C)
find_package(prophet 0.1 REQUIRED)
add_executable(host $source/examples/embed.c)
target_link_libraries(host PRIVATE prophet::prophet)
add_executable(host_static $source/examples/embed.c)
target_link_libraries(host_static PRIVATE prophet::prophet_static)
END
check "find_package" cmake -S "$work/host" -B "$work/host/build" -DCMAKE_PREFIX_PATH="$prefix"
check "embed.c with find_package" cmake --build "$work/host/build"
check "host runs" "$work/host/build/host" "$work/host.prophet"
check "host_static runs" "$work/host/build/host_static" "$work/host_static.prophet"

if [ -f "$source/examples/embed_lua.c" ]; then
    # shellcheck disable=SC2046,SC2086
    check "embed_lua.c" cc $strict "$source/examples/embed_lua.c" -o "$work/embed_lua" -I/usr/include/lua5.4 \
        $(flags --cflags --libs prophet) -llua5.4 -Wl,-rpath,"$libdir"
    check "embed_lua runs" "$work/embed_lua" "$work/embed_lua.prophet"
fi
export LUA_CPATH="$prefix/lib/lua/5.4/?.so;;"
check "the module in stock Lua" lua5.4 -e 'assert(require("prophet").version)'
check "prophet" "$prefix/bin/prophet" version
check "prophet-lua" "$prefix/bin/prophet-lua" -e 'assert(require("prophet").version)'
: >"$work/empty.c"
for header in "$prefix"/include/*.h; do
    check "$header alone, under strict flags" cc -std=c11 -Wall -Wextra -Wconversion -Werror -I"$prefix/include" \
        -include "$header" -c "$work/empty.c" -o "$work/empty.o"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
