/* Sets of versions: whatever the order they come in, each comes out once, ascending. */
#include "support/test.h"
#include "sync/sync.h"

enum { MOST = 200 };

static prophet_error err;

static void check(const ph_sync_spans *s, const bool *in, uint64_t count)
{
    ph_sync_cursor at = { 0 };
    uint64_t some[7], version = 0, seen = 0;
    for (size_t n; (n = ph_sync_spans_take(s, &at, some, 1 + test_below(7))) > 0;)
        for (size_t i = 0; i < n; i++, seen++) {
            CHECK(some[i] > version && some[i] < MOST && in[some[i]]);
            version = some[i];
        }
    CHECK_EQ_UINT(seen, count);
    for (size_t i = 1; i < s->count; i++)
        CHECK(s->at[i].first > s->at[i - 1].last + 1);
}

TEST(versions_in_any_order_come_out_ascending_and_once)
{
    for (int round = 0; round < 300; round++) {
        ph_sync_spans s = { 0 };
        bool in[MOST] = { false };
        uint64_t count = 0;
        for (uint64_t adds = test_below(40); adds > 0; adds--) {
            uint64_t first = 1 + test_below(MOST - 20), last = first + test_below(20);
            REQUIRE_OK(ph_sync_spans_add(&s, first, last, &err), &err);
            for (; first <= last; first++) {
                count += !in[first];
                in[first] = true;
            }
        }
        CHECK_EQ_UINT(ph_sync_spans_settle(&s), count);
        check(&s, in, count);
        ph_free(s.at);
    }
}

TEST(stretches_take_no_more_room_than_their_ends)
{
    ph_sync_spans s = { 0 };
    for (uint64_t v = 100000; v > 50000; v--) /* as a chain is walked */
        REQUIRE_OK(ph_sync_spans_add(&s, v, v, &err), &err);
    for (uint64_t v = 1; v <= 50000; v++)
        REQUIRE_OK(ph_sync_spans_add(&s, v, v, &err), &err);
    CHECK_EQ_UINT(s.count, 2);
    REQUIRE_OK(ph_sync_spans_add(&s, 9, 8, &err), &err); /* none */
    CHECK_EQ_UINT(ph_sync_spans_settle(&s), 100000);
    CHECK_EQ_UINT(s.count, 1);
    ph_free(s.at);
}
