/* What is remembered of a depot: what of ours it has, and the generations of its publishers; in the log that costs what changed. */
#include "unit/depot_craft.h"
#include "sync/meet_impl.h"

/* The local note with this beginning; how many there are. */
typedef struct wanted {
    prophet_slice note;
    ph_arena a;
    size_t count;
} wanted;

static prophet_code take_note(void *ctx, prophet_slice name, prophet_slice note, prophet_error *e)
{
    wanted *w = ctx;
    bool ok = true;
    (void)name, (void)e;
    if (w->count++ == 0)
        w->note = ph_arena_copy(&w->a, note, &ok);
    return ok ? PROPHET_OK : PROPHET_EMEMORY;
}

static void find_notes(ph_replica *r, const char *kind, wanted *out)
{
    ph_view *v;
    *out = (wanted){ .a = PH_ARENA_INIT };
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(sync_each_note(v, kind, take_note, out, &err), &err);
    ph_view_end(v);
}

static void note_name(const char *where, char out[39])
{
    uint8_t hash[32];
    const prophet_slice url = ph_slice_str(place(where));
    ph_hasher *h;
    REQUIRE_OK(ph_hasher_new(&h, &err), &err);
    REQUIRE_OK(ph_hash_sha256(h, &url, 1, hash, &err), &err);
    ph_hasher_free(h);
    memcpy(out, "depot ", 6);
    ph_hex(hash, 16, out + 6);
}

static void write_note(ph_replica *r, const char *name, const ph_buf *value)
{
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(r, ph_slice(NULL, 0), &c, &err), &err);
    REQUIRE_OK(ph_change_local(c, ph_slice_str(name), ph_buf_slice(value), &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
}

static size_t rows_of(ph_replica *r, const char *member)
{
    wanted w;
    ph_item item;
    find_notes(r, "depot ", &w);
    const size_t n = w.count && sync_member(w.note, member, &item) ? item.s.len : SIZE_MAX;
    ph_arena_clear(&w.a);
    return n;
}

/* {path, heads, publishers}: as it was written before. */
TEST(a_note_of_an_earlier_version_is_read_and_then_written_anew)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    ph_buf value = PH_BUF_INIT, rows = PH_BUF_INIT;
    char name[39];
    wanted w;
    write_some(a, 2);
    (void)publish(a, "d");
    CHECK_EQ_UINT(pull(b, "d"), 2);
    const ph_id head = head_of(b);
    note_name("d", name);
    ph_put_map(&value, 3);
    ph_put_text(&value, ph_slice_str("path"));
    ph_put_text(&value, ph_slice_str(place("d")));
    ph_put_text(&value, ph_slice_str("heads"));
    ph_put_bytes(&value, ph_slice(head.b, 32));
    ph_put_text(&value, ph_slice_str("publishers"));
    ph_buf_put(&rows, ph_replica_key(a)->b, 32);
    ph_buf_u64be(&rows, 9);
    ph_put_bytes(&value, ph_buf_slice(&rows));
    write_note(b, name, &value);
    for (int i = 0; i < 2; i++) { /* it stays while nothing is new */
        REQUIRE_OK(ph_sync_pull(b, place("d"), NULL, &rep, &err), &err);
        CHECK_HAS(rep.notice, "from generation 9 to 1");
        ph_sync_report_clear(&rep);
        CHECK_EQ_UINT(rows_of(b, "publishers"), 40);
    }
    write_some(a, 1);
    (void)publish(a, "d");
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(ph_sync_pull(b, place("d"), NULL, &rep, &err), &err);
        CHECK_HAS(rep.notice, "from generation 9 to 2");
        ph_sync_report_clear(&rep);
        CHECK_EQ_UINT(rows_of(b, "publishers"), SIZE_MAX);
    }
    find_notes(b, "depot ", &w);
    CHECK_EQ_UINT(w.count, 2); /* the depot's, its publisher's */
    ph_arena_clear(&w.a);
    REQUIRE_OK(ph_sync_forget(b, place("d"), &err), &err);
    find_notes(b, "depot ", &w);
    CHECK_EQ_UINT(w.count, 0);
    ph_arena_clear(&w.a);
    ph_buf_clear(&value);
    ph_buf_clear(&rows);
    ph_replica_close(a);
    ph_replica_close(b);
}

/* What is written into a note is what is read from it. */
static size_t told_again(ph_view *v, depot_extent *e)
{
    depot_extent again = { .partial = 0 };
    ph_buf note = PH_BUF_INIT;
    ph_arena a = PH_ARENA_INIT;
    prophet_slice heads;
    ph_item whole;
    REQUIRE_OK(depot_extent_settle(v, e, &err), &err);
    REQUIRE_OK(depot_extent_put(v, e, "/a/place", &note, &err), &err);
    CHECK(ph_value_open(ph_buf_slice(&note), &whole)); /* in canonical order */
    REQUIRE(sync_note_heads(v, ph_buf_slice(&note), &a, &heads, &err) == PROPHET_OK);
    REQUIRE_OK(depot_extent_add_all(v, &again, heads, &err), &err);
    REQUIRE_OK(depot_extent_settle(v, &again, &err), &err);
    CHECK(depot_extent_same(e, &again));
    CHECK_EQ_UINT(e->except.count, again.except.count);
    const size_t size = note.len;
    depot_extent_clear(&again);
    ph_buf_clear(&note);
    ph_arena_clear(&a);
    return size;
}

enum { WRITERS = 40 };

TEST(whatever_a_depot_has_is_told_in_few_bytes_and_read_again)
{
    ph_replica *r = fresh("r", NULL);
    const ph_uuid database = *ph_replica_database(r);
    PH_LIST(ph_id) ids = { 0 };
    ph_view *v;
    write_some(r, 3);
    (void)publish(r, "d");
    for (int i = 0; i < WRITERS; i++) {
        crafter w;
        craft_begin(&w);
        craft_chain(&w, &database, 1 + (uint64_t)i % 3);
        if (i % 10 == 0) { /* a key that was copied: two more branches */
            const ph_id from = w.last;
            for (int k = 0; k < 2; k++) {
                craft_changeset(&w, &database, &from, w.seq + (k == 0));
                craft_sign(&w);
            }
        }
        craft_publish(&w, &database, place("d"));
        craft_end(&w);
        (void)pull(r, "d");
    }
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    for (uint64_t n = 1; n <= v->state.version; n++) {
        ph_changeset_row row;
        REQUIRE_OK(ph_changesets_get(v->txn, n, &row, &err), &err);
        REQUIRE(PH_PUSH(ids, row.id));
    }
    for (int i = 0; i < 400; i++) { /* some, most, all but one, all */
        depot_extent e = { .partial = 0 };
        const uint64_t of = i < 100 ? 2 : i < 200 ? 20 : 1000;
        for (size_t k = 0; k < ids.count; k++)
            if (i >= 300 || test_below(of) > 0)
                REQUIRE_OK(depot_extent_add(v, &e, &ids.at[k], &err), &err);
        const size_t size = told_again(v, &e);
        if (i >= 300)
            CHECK(e.except.count == 0 && size < 100);
        CHECK(size < 100 + 32 * (2 * WRITERS));
        depot_extent_clear(&e);
    }
    ph_view_end(v);
    ph_free(ids.at);
    ph_replica_close(r);
}

/* A log that was damaged and lost its index counts its versions anew: what a note says by a version holds while that is the changeset it names. */
TEST(a_version_tells_heads_while_it_is_the_same_changeset)
{
    ph_replica *a = fresh("a", NULL);
    write_some(a, 3);
    const ph_id head = head_of(a);
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        ph_buf note = PH_BUF_INIT;
        ph_arena arena = PH_ARENA_INIT;
        prophet_slice heads = ph_slice(NULL, 0);
        ph_id last = head;
        ph_view *v;
        last.b[31] = (uint8_t)(last.b[31] ^ wrong);
        ph_put_map(&note, 2);
        ph_put_text(&note, ph_slice_str("last"));
        ph_put_bytes(&note, ph_slice(last.b, sizeof last.b));
        ph_put_text(&note, ph_slice_str("version"));
        ph_put_uint(&note, version_of(a));
        REQUIRE_OK(ph_view_begin(a, &v, &err), &err);
        CHECK_CODE(sync_note_heads(v, ph_buf_slice(&note), &arena, &heads, &err),
                   wrong ? PROPHET_DONE : PROPHET_OK, &err);
        CHECK_EQ_UINT(heads.len, wrong ? 0 : sizeof head);
        CHECK(wrong || memcmp(heads.data, head.b, sizeof head.b) == 0);
        ph_view_end(v);
        ph_arena_clear(&arena);
        ph_buf_clear(&note);
    }
    ph_replica_close(a);
}
