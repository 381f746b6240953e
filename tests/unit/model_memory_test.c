/* Every allocation of writing and reading a changeset fails once: the answer is "out of memory", and the
 * next try succeeds. */
#include "model_bytes.h"

typedef struct work {
    ph_hasher *hasher;
    ph_buf body, scratch, frame, line;
    ph_arena arena;
} work;

/* A change with a set, an unset and an element that names three positions; a vote. */
static const char source[] =
    "a4 " SALT TIME "05 81 a7 " TICKET RECORD UPDATE
    "05 a1 61 61 01 06 81 61 62 07 a1 61 62 83 00 01 02 09 a1 61 74 81 84 02 00 01 02 "
    "06 81 a5 " TICKET RECORD "03 61 61 04 82 00 02 06 00";

static prophet_code go(work *w, prophet_slice bytes, prophet_error *err)
{
    static const ph_id refs[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
    ph_changeset cs = { .header = { .format = 1, .seq = 1, .refs = refs, .ref_count = 3 } }, got;
    ph_frame_context writer = { 0 }, reader = { 0 };
    prophet_code rc;

    if ((rc = ph_body_decode(bytes, 3, &w->arena, &cs.body, err)) < 0 ||
        (rc = ph_body_encode(&cs.body, 3, &w->body, err)) < 0)
        return rc;
    cs.has_body = true;
    cs.body_bytes = ph_buf_slice(&w->body);
    if ((rc = ph_changeset_seal(w->hasher, &cs, &w->scratch, err)) < 0)
        return rc;
    ph_frame_encode(&cs, &writer, &w->frame);
    if (w->frame.failed)
        return ph_nomem(err);
    if ((rc = ph_frame_decode(ph_buf_slice(&w->frame), &cs.header.database, true, w->hasher,
                              &w->scratch, &reader, &w->arena, &got, err)) < 0)
        return rc;
    ph_json_changeset(&w->line, &got, 1, 1);
    return w->line.failed ? ph_nomem(err) : PROPHET_OK;
}

static void tidy(work *w)
{
    ph_buf_clear(&w->body);
    ph_buf_clear(&w->scratch);
    ph_buf_clear(&w->frame);
    ph_buf_clear(&w->line);
    ph_arena_clear(&w->arena);
}

TEST(every_lack_of_memory_is_told)
{
#ifdef PH_DEV
    prophet_slice bytes = bytes_of(source);
    prophet_error err;
    work w = { 0 };
    uint64_t nth = 0;
    prophet_code rc;

    REQUIRE_OK(ph_hasher_new(&w.hasher, &err), &err);
    do {
        ph_alloc_fail_at(++nth);
        rc = go(&w, bytes, &err);
        ph_alloc_fail_at(0);
        CHECK_MSG(rc == PROPHET_OK || rc == PROPHET_EMEMORY, "allocation %llu gave %d",
                  (unsigned long long)nth, (int)rc);
        tidy(&w);
    } while (rc != PROPHET_OK && nth < 100);
    CHECK(rc == PROPHET_OK && nth > 5);
    ph_hasher_free(w.hasher);
    done_with(bytes);
#else
    (void)go, (void)tidy, (void)source;
    test_skip("a build without fault points");
#endif
}
