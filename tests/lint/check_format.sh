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
# All at once: starting it for each file takes longer than the work.
bad=$(clang-format --dry-run --Werror "$@" 2>&1 | sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error:.*/\1/p' | sort -u)
for file in $bad; do
    echo "$file: not as clang-format lays it out (tests/lint/check_format.sh --fix $file)"
done
echo "$# files, $(echo "$bad" | grep -c .) faults"
[ -z "$bad" ]
