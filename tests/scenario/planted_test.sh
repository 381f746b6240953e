#!/bin/sh
# The simulator must see a mistake: it is built once for each planted bug (PH_PLANT_name in engine/), which costs the
# files that mention it, and must fail within SEEDS seeds. Not when few seeds are asked for ($PROPHET_TEST_SEEDS).
#   planted_test.sh [NAME..]    only these
SEEDS=1000
# Caught elsewhere, by the power cut of tests/fault:
ELSEWHERE="no_fdatasync trust_unclean"

source=${PROPHET_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${PROPHET_BUILD_DIR:-$source/build/dev}
cache=$build/CMakeCache.txt
if grep -q '^PH_SANITIZE:[A-Z]*=.' "$cache" 2>/dev/null || grep -q '^PH_PLANT:[A-Z]*=.' "$cache" 2>/dev/null; then
    echo "skipped: the plain builds do this"
    exit 0
fi
if [ "${PROPHET_TEST_SEEDS:-2000}" -lt 1000 ] && [ $# -eq 0 ]; then
    echo "skipped: for runs of 1,000 seeds and more"
    exit 0
fi
planted=$build/planted
failed=0 count=0

configure() {
    cmake -S "$source" -B "$planted" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPH_DEV=ON -DPH_BENCH=OFF "-DPH_PLANT=$1" \
        >"$planted.log" 2>&1 && cmake --build "$planted" --target simulator >>"$planted.log" 2>&1
}

names=$*
[ -n "$names" ] || names=$(cat "$source"/engine/*/*.c | grep -o 'PH_PLANT_[a-z_]*' | sed 's/PH_PLANT_//' | LC_ALL=C sort -u)
for name in $names; do
    case " $ELSEWHERE " in *" $name "*) continue ;; esac
    count=$((count + 1))
    if ! configure "$name"; then
        tail -20 "$planted.log"
        echo "$name: does not build"
        failed=$((failed + 1))
    elif "$planted/tests/simulator" --seeds $SEEDS --first >"$planted.out" 2>&1; then
        echo "$name: not caught by $SEEDS seeds"
        failed=$((failed + 1))
    else
        echo "$name: $(grep -m 1 '^seed .*action\|^seed .*signal' "$planted.out" | cut -c 1-150)"
    fi
done
echo "$count planted bugs, $failed not caught"
[ $failed -eq 0 ]
