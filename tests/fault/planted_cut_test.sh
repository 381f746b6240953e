#!/bin/sh
# The power cut must be seen when the log's fdatasync is taken out, and when an unclean index is trusted after it: both are
# planted in the engine (PH_PLANT_name) and must make the first test of power_cut_test.c fail.
source=${PROPHET_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${PROPHET_BUILD_DIR:-$source/build/dev}
cache=$build/CMakeCache.txt
if grep -q '^PH_SANITIZE:[A-Z]*=.' "$cache" 2>/dev/null || grep -q '^PH_PLANT:[A-Z]*=.' "$cache" 2>/dev/null; then
    echo "skipped: the plain builds do this"
    exit 0
fi
planted=$build/planted # shared with tests/scenario/planted_test.sh: one after the other
PROPHET_TEST_CUTS=2000
export PROPHET_TEST_CUTS
failed=0
for name in no_fdatasync trust_unclean; do
    if ! { cmake -S "$source" -B "$planted" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DPH_DEV=ON -DPH_BENCH=OFF \
        "-DPH_PLANT=$name" && cmake --build "$planted" --target fault_main fault_power_cut_test cut_preload; } \
        >"$planted.cut.log" 2>&1; then
        tail -20 "$planted.cut.log"
        echo "$name: does not build"
        failed=$((failed + 1))
    elif "$planted/tests/fault_power_cut_test" loses_nothing >"$planted.cut.out" 2>&1; then
        echo "$name: not caught by $PROPHET_TEST_CUTS cuts"
        failed=$((failed + 1))
    else
        echo "$name: $(grep -m 1 'cut ' "$planted.cut.out" | cut -c 1-150)"
    fi
done
echo "2 planted bugs, $failed not caught"
[ $failed -eq 0 ]
