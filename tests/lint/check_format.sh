#!/bin/sh
# clang-format over the C sources. Headers are laid out by hand: their tables of declarations are meant to be read.
# check_format.sh          lists the files that differ
# check_format.sh --fix    formats them (travels alone, in a commit of its own); with files: only those
cd "${PROPHET_SOURCE_DIR:-$(dirname "$0")/../..}" || exit 2
command -v clang-format >/dev/null || { echo "skipped: no clang-format"; exit 0; }

fix=
if [ "${1-}" = --fix ]; then
    fix=1
    shift
fi
[ $# -gt 0 ] || set -- $(find engine tests bench examples -name '*.c' -type f 2>/dev/null | LC_ALL=C sort)
if [ -n "$fix" ]; then
    exec clang-format -i "$@"
fi
bad=0
for file; do
    [ -f "$file" ] || continue
    if ! clang-format "$file" | cmp -s - "$file"; then
        echo "$file: not as clang-format lays it out (tests/lint/check_format.sh --fix $file)"
        bad=$((bad + 1))
    fi
done
echo "$# files, $bad faults"
[ "$bad" -eq 0 ]
