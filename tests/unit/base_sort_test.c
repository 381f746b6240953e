/* ph_sort: sorted lists stay, others are sorted, of any size of element. */
#include "base/base.h"
#include "support/test.h"

static int calls;

static int by_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    calls++;
    return (x > y) - (x < y);
}

TEST(what_is_in_order_costs_one_comparison_an_element)
{
    int list[100];

    for (int i = 0; i < 100; i++)
        list[i] = i / 3;
    calls = 0;
    ph_sort(list, 100, sizeof *list, by_int);
    CHECK_EQ_INT(calls, 99);
    CHECK(list[0] == 0 && list[99] == 33);
    ph_sort(NULL, 0, sizeof *list, by_int);
    ph_sort(list, 1, sizeof *list, by_int);
    CHECK_EQ_INT(calls, 99);
}

TEST(any_list_comes_out_sorted)
{
    for (int round = 0; round < 200; round++) {
        int list[40], count[8] = { 0 };
        size_t n = (size_t)test_below(41);
        for (size_t i = 0; i < n; i++)
            count[list[i] = (int)test_below(8)]++;
        ph_sort(list, n, sizeof *list, by_int);
        for (size_t i = 0; i < n; i++) {
            CHECK(i == 0 || list[i - 1] <= list[i]);
            count[list[i]]--;
        }
        for (int i = 0; i < 8; i++)
            CHECK_EQ_INT(count[i], 0);
    }
}

TEST(two_sorted_runs_are_merged_in_one_pass)
{
    for (size_t n = 2; n <= 60; n++)
        for (size_t first = 1; first < n; first++) {
            int list[60];
            for (size_t i = 0; i < n; i++)
                list[i] = (int)(i < first ? 2 * i : 2 * (i - first) + 1);
            calls = 0;
            ph_sort(list, n, sizeof *list, by_int);
            CHECK(calls <= 2 * (int)n);
            for (size_t i = 1; i < n; i++)
                CHECK(list[i - 1] <= list[i]);
        }
}
