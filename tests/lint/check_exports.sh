#!/bin/sh
# What libprophet.so exports is what include/prophet.h and prophet_lua.h declare, no more and no less; prophet.so exports
# luaopen_prophet alone and does not bring a Lua of its own.
cd "${PROPHET_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
build=${PROPHET_BUILD_DIR:-build/dev}
[ -f "$build/libprophet.so" ] || { echo "skipped: no $build/libprophet.so"; exit 0; }
[ -n "$(find engine/api -name '*.c' 2>/dev/null)" ] || { echo "skipped: no engine/api yet"; exit 0; }

work=$(mktemp -d) || exit 2
trap 'rm -r "$work"' EXIT
tr '\n' ' ' <include/prophet.h | sed 's:/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/::g; s/PROPHET_API/\n&/g' |
    sed -n 's/^PROPHET_API[^(;]*[ *]\(prophet_[a-z0-9_]*\) *(.*/\1/p' | awk 1 >"$work/declared"
[ -f include/prophet_lua.h ] && echo luaopen_prophet >>"$work/declared"
sort -u -o "$work/declared" "$work/declared"
exported() { nm -D --defined-only "$1" | awk '$2 ~ /^[TDBRVW]$/ { print $3 }' | grep -v -e '^_' -e '^__' | sort -u; }
exported "$build/libprophet.so" >"$work/exported"
status=0
comm -23 "$work/declared" "$work/exported" >"$work/missing"
comm -13 "$work/declared" "$work/exported" >"$work/extra"
while read -r name; do echo "include/prophet.h:1: $name is declared but not in libprophet.so"; status=1; done <"$work/missing"
while read -r name; do echo "libprophet.so exports $name, which prophet.h does not declare"; status=1; done <"$work/extra"
if [ -f "$build/prophet.so" ]; then
    if [ "$(exported "$build/prophet.so")" != luaopen_prophet ]; then
        echo "prophet.so exports more or less than luaopen_prophet:" $(exported "$build/prophet.so")
        status=1
    fi
    if readelf -d "$build/prophet.so" | grep -q 'NEEDED.*liblua'; then
        echo "prophet.so links liblua: a host would have two"
        status=1
    fi
fi
echo "$(wc -l <"$work/declared") functions"
exit $status
