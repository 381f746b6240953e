#!/bin/sh
# luacheck over every Lua file, with the rules of .luacheckrc.
cd "${PROPHET_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
script=$(command -v luacheck) || { echo "skipped: no luacheck"; exit 0; }

set --
for folder in lua schemas resolvers examples tests bench; do
    [ -d "$folder" ] && set -- "$@" "$folder"
done
# Its own first line may name an older Lua, which reads less of the language.
if head -1 "$script" | grep -q 'lua5\.1' && lua5.4 -e 'require "luacheck.main"' 2>/dev/null; then
    exec lua5.4 "$script" --no-color --quiet --no-cache "$@"
fi
exec "$script" --no-color --quiet --no-cache "$@"
