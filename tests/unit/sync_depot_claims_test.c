/* Publishers of a depot who claim what they do not hold, or send more than anybody can wait for: what the others put there comes all the same. */
#include "depot_craft.h"

/* ---- false claims ------------------------------------------------------------------------------------------------------- */

typedef enum lie { NOTHING_OF_IT, A_BROKEN_SIGNATURE, MADE_UP } lie;

static void add_broken_signature(crafter *w, const ph_uuid *database)
{
    uint8_t record[96] = { 0 };
    craft_changeset(w, database, NULL, 1);
    memcpy(record, w->last.b, 32);
    REQUIRE_OK(craft_frame(&w->frames, PH_FRAME_SIGNATURE, ph_slice(record, 96), NULL, &err), &err);
}

/* Who comes first is by chance of the keys: several times. */
static void claim(const char *name, lie kind)
{
    ph_replica *honest = fresh(name, NULL);
    const ph_uuid *database = ph_replica_database(honest);
    char reader_name[40], where[40];
    write_some(honest, 3);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(reader_name, sizeof reader_name, "%s-reader%d", name, i);
        (void)snprintf(where, sizeof where, "%s-depot%d", name, i);
        (void)publish(honest, where);
        ph_replica *reader = fresh(reader_name, database);
        crafter w;
        ph_sync_report rep;
        craft_begin(&w);
        craft_chain(&w, database, 1);
        if (kind == A_BROKEN_SIGNATURE)
            add_broken_signature(&w, database);
        sync_run runs[2] = { { w.key, 1, 1, w.last },
                             { *ph_replica_key(honest), 1, 3, head_of(honest) } };
        if (kind == MADE_UP)
            runs[1].id = w.key;
        craft_claim(&w, database, place(where), runs, 2);
        prophet_code rc = ph_sync_pull(reader, place(where), NULL, &rep, &err);
        CHECK_EQ_UINT(version_of(reader), 4);
        if (kind == NOTHING_OF_IT) /* others had it: told only when it was looked at */
            CHECK(rc == PROPHET_OK);
        else
            CHECK_CODE(rc, kind == MADE_UP ? PROPHET_ECORRUPT : PROPHET_EUNTRUSTED, &err);
        ph_sync_report_clear(&rep);
        craft_end(&w);
        ph_replica_close(reader);
    }
    ph_replica_close(honest);
}

TEST(a_segment_that_claims_what_another_holds_and_holds_nothing_of_it)
{
    claim("nothing", NOTHING_OF_IT);
}

TEST(a_segment_that_claims_what_another_holds_and_is_refused_when_it_is_fed)
{
    claim("broken", A_BROKEN_SIGNATURE);
}

TEST(a_segment_that_claims_what_nobody_holds)
{
    claim("made-up", MADE_UP);
}

TEST(a_claim_keeps_no_writer_from_publishing)
{
    ph_replica *honest = fresh("writer", NULL);
    const ph_uuid *database = ph_replica_database(honest);
    ph_replica *reader = fresh("writer-reader", database);
    crafter w;
    write_some(honest, 3);
    (void)publish(honest, "claimed");
    write_some(honest, 4);
    craft_begin(&w);
    craft_chain(&w, database, 1);
    sync_run runs[2] = { { w.key, 1, 1, w.last },
                         { *ph_replica_key(honest), 1, 7, head_of(honest) } };
    craft_claim(&w, database, place("claimed"), runs, 2);
    CHECK_EQ_UINT(publish(honest, "claimed"), 4);
    CHECK_EQ_UINT(pull(reader, "claimed"), 8);
    CHECK_EQ_UINT(publish(honest, "claimed"), 0);
    craft_end(&w);
    ph_replica_close(honest);
    ph_replica_close(reader);
}

/* ---- too much ------------------------------------------------------------------------------------------------------------ */

/* One that alone is more than may wait; two of which each is not. */
TEST(more_without_a_signature_than_may_wait)
{
    ph_replica *honest = fresh("signed", NULL);
    const ph_uuid *database = ph_replica_database(honest);
    ph_replica *reader = fresh("signed-reader", database);
    ph_sync_report rep;
    static char text[40000];
    char to[4200];
    memset(text, 'x', sizeof text);
    write_some(honest, 1500);
    (void)publish(honest, "unsigned");
    for (int i = 0; i < 3; i++) {
        crafter w;
        craft_begin(&w);
        w.message = ph_slice(text, sizeof text);
        for (uint64_t seq = 1; seq <= (i ? 250 : 800); seq++) {
            const ph_id prev = w.last;
            craft_changeset(&w, database, seq > 1 ? &prev : NULL, seq);
        }
        craft_publish(&w, database, place("unsigned"));
        craft_end(&w);
    }
    CHECK_CODE(ph_sync_pull(reader, place("unsigned"), NULL, &rep, &err), PROPHET_EBUDGET, &err);
    CHECK_EQ_UINT(version_of(reader), 1500);
    CHECK(rep.left_out);
    ph_sync_report_clear(&rep);
    (void)snprintf(to, sizeof to, "%s", place("unsigned-clone"));
    CHECK_OK(ph_sync_clone(place("unsigned"), to, NULL, &rep, &err), &err);
    CHECK_HAS(rep.notice, "left out: ");
    ph_sync_report_clear(&rep);
    ph_replica_close(honest);
    ph_replica_close(reader);
}

/* ---- many who stand on each other ---------------------------------------------------------------------------------------------- */

static int by_key_down(const void *a, const void *b)
{
    return -ph_id_cmp(&((const crafter *)a)->key, &((const crafter *)b)->key);
}

/* Each stands on the one before, which lies behind it. */
static void chain_of_publishers(size_t publishers, uint64_t each, bool without_first)
{
    char reader_name[40], where[40];
    (void)snprintf(reader_name, sizeof reader_name, "chain-reader-%zu-%d", publishers,
                   without_first);
    (void)snprintf(where, sizeof where, "chain-%zu-%d", publishers, without_first);
    ph_replica *reader = fresh(reader_name, NULL);
    const ph_uuid *database = ph_replica_database(reader);
    ph_sync_report rep;
    char url[4300];
    REQUIRE(mkdir(place(where), 0755) == 0);
    crafter *w = calloc(publishers, sizeof *w);
    REQUIRE(w);
    for (size_t i = 0; i < publishers; i++)
        craft_begin(&w[i]);
    qsort(w, publishers, sizeof *w, by_key_down);
    for (size_t i = 0; i < publishers; i++) {
        for (uint64_t seq = 1; seq <= each; seq++) {
            const ph_id prev = w[i].last;
            craft_behind(&w[i], database, seq > 1 ? &prev : NULL,
                         seq == 1 && i ? &w[i - 1].last : NULL, seq);
            if (seq % 20 == 0)
                craft_sign(&w[i]);
        }
        if (i || !without_first)
            craft_publish(&w[i], database, place(where));
    }
    (void)snprintf(url, sizeof url, "file://%s", place(where));
    CHECK_OK(ph_sync_pull(reader, url, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, without_first ? 0 : publishers * each);
    CHECK_EQ_UINT(rep.held_back, without_first ? (publishers - 1) * each : 0);
    ph_sync_report_clear(&rep);
    for (size_t i = 0; i < publishers; i++)
        craft_end(&w[i]);
    free(w);
    ph_replica_close(reader);
}

/* More of them than can wait in memory, or be read at once. */
TEST(publishers_who_each_stand_on_the_next)
{
    chain_of_publishers(40, 1000, false);
}

TEST(publishers_who_stand_on_what_is_not_there)
{
    chain_of_publishers(20, 500, true);
}

/* Two that go to and fro. */
TEST(publishers_who_answer_each_other)
{
    ph_replica *reader = fresh("answers-reader", NULL);
    const ph_uuid *database = ph_replica_database(reader);
    crafter w[2];
    ph_sync_report rep;
    char url[4300];
    REQUIRE(mkdir(place("answers"), 0755) == 0);
    for (int i = 0; i < 2; i++)
        craft_begin(&w[i]);
    for (uint64_t n = 0; n < 2000; n++) {
        crafter *a = &w[n % 2], *b = &w[(n + 1) % 2];
        const ph_id prev = a->last, parent = b->last;
        craft_behind(a, database, n > 1 ? &prev : NULL, n ? &parent : NULL, n / 2 + 1);
    }
    for (int i = 0; i < 2; i++) {
        craft_sign(&w[i]);
        craft_publish(&w[i], database, place("answers"));
        craft_end(&w[i]);
    }
    (void)snprintf(url, sizeof url, "file://%s", place("answers"));
    CHECK_OK(ph_sync_pull(reader, url, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 2000);
    ph_sync_report_clear(&rep);
    ph_replica_close(reader);
}

/* The order in each is causal, and yet none of the two can be read to its end before the other. */
TEST(segments_that_lie_across_each_other)
{
    ph_replica *reader = fresh("across-reader", NULL);
    const ph_uuid *database = ph_replica_database(reader);
    crafter w[4]; /* 0 and 1 publish what they wrote, then what 2 and 3 did */
    ph_sync_report rep;
    char url[4300];
    REQUIRE(mkdir(place("across"), 0755) == 0);
    for (int i = 0; i < 4; i++)
        craft_begin(&w[i]);
    for (int i = 2; i < 4; i++)
        craft_chain(&w[i], database, 1);
    for (int i = 0; i < 2; i++) {
        crafter *a = &w[i], *b = &w[i + 2];
        craft_behind(a, database, NULL, &w[3 - i].last, 1);
        craft_sign(a);
        ph_buf_put(&a->frames, b->frames.data, b->frames.len);
        a->count++;
        sync_run runs[2] = { { a->key, 1, 1, a->last }, { b->key, 1, 1, b->last } };
        craft_claim(a, database, place("across"), runs, 2);
    }
    (void)snprintf(url, sizeof url, "file://%s", place("across"));
    CHECK_OK(ph_sync_pull(reader, url, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 4);
    ph_sync_report_clear(&rep);
    for (int i = 0; i < 4; i++)
        craft_end(&w[i]);
    ph_replica_close(reader);
}
