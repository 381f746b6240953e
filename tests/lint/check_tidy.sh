#!/bin/sh
# clang-tidy over the engine, with the list in .clang-tidy. A file that was clean is not looked at again until it, a
# header or the list changes: the stamps in <build>/tidy hold hashes. Needs a configured build.
cd "${PROPHET_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
build=${PROPHET_BUILD_DIR:-build/dev}
command -v clang-tidy >/dev/null || { echo "skipped: no clang-tidy"; exit 0; }
[ -f "$build/compile_commands.json" ] || { echo "skipped: $build is not configured"; exit 0; }

stamps=$build/tidy
mkdir -p "$stamps"
# Headers by their code alone would be better; by their bytes is good enough.
common=$(cat .clang-tidy $(find engine include -name '*.h' | LC_ALL=C sort) | sha256sum | cut -c1-16)
todo=$stamps/todo
: >"$todo"
for file in $(find engine -name '*.c' -type f | LC_ALL=C sort); do
    grep -q "$file\"" "$build/compile_commands.json" || continue # newer than the configured build
    stamp=$stamps/$(echo "$file" | tr / _)
    hash=$common-$(sha256sum <"$file" | cut -c1-16)
    [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] || echo "$file $stamp $hash" >>"$todo"
done
xargs -r -P 2 -L 1 sh -c '
    if out=$(clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$0" "$1" 2>/dev/null); then
        echo "$3" >"$2"
    else
        printf "%s\n" "$out"
        exit 1
    fi' "$build" <"$todo"
result=$?
echo "$(wc -l <"$todo") files looked at"
exit $result
