/* Comparing by chain heads: random forked histories on two sides, against brute force over the prev links. Each history is a
 * chain of its own replica key, so that many share two directories. */
#include "support/test.h"
#include "sync/sync.h"
#include <stdlib.h>

enum { HISTORIES = 2000, BATCH = 100, LONGEST = 40 };

static prophet_error err;

typedef struct node { /* a changeset: the one before it, and who has it */
    ph_id id;
    int prev; /* -1: the first */
    ph_buf frame;
    uint8_t sig[64];
    bool tip[2], has[2];
} node;

typedef struct history {
    ph_keypair *keys;
    ph_id key;
    node nodes[LONGEST];
    int count;
} history;

static ph_replica *sides[2];

static void author(history *h, int i, ph_hasher *hasher)
{
    node *n = &h->nodes[i];
    ph_buf body = PH_BUF_INIT, scratch = PH_BUF_INIT;
    ph_body b = { .time = 1 };
    ph_frame_context ctx = { .has_last = false };
    ph_changeset cs = { .has_body = true };
    uint64_t salt[2] = { test_random(), test_random() };
    memcpy(b.salt, salt, sizeof b.salt);
    cs.header.format = PH_FORMAT;
    cs.header.database = *ph_replica_database(sides[0]);
    cs.header.replica = h->key;
    cs.header.seq = 1;
    for (int k = n->prev; k >= 0; k = h->nodes[k].prev)
        cs.header.seq++;
    if (n->prev >= 0) {
        cs.header.has_prev = true;
        cs.header.prev = h->nodes[n->prev].id;
    }
    REQUIRE_OK(ph_body_encode(&b, n->prev >= 0, &body, &err), &err);
    cs.body_bytes = ph_buf_slice(&body);
    REQUIRE_OK(ph_changeset_seal(hasher, &cs, &scratch, &err), &err);
    n->id = cs.id;
    n->frame = (ph_buf)PH_BUF_INIT;
    ph_frame_encode(&cs, &ctx, &n->frame);
    REQUIRE_OK(ph_signature_make(h->keys, &n->id, n->sig, &err), &err);
    ph_buf_clear(&body);
    ph_buf_clear(&scratch);
}

/* A chain that forks now and then; each side has what some of its changesets stand on. */
static void grow(history *h, ph_hasher *hasher)
{
    uint8_t pub[32];
    memset(h, 0, sizeof *h);
    REQUIRE_OK(ph_keypair_new(&h->keys, &err), &err);
    ph_keypair_public(h->keys, pub);
    memcpy(h->key.b, pub, sizeof pub);
    h->count = 1 + (int)test_below(LONGEST);
    uint64_t forks = test_below(4); /* in 16 */
    for (int i = 0; i < h->count; i++) {
        h->nodes[i].prev = i == 0                   ? -1
                           : test_below(16) < forks ? (int)test_below((uint64_t)i)
                                                    : i - 1;
        author(h, i, hasher);
    }
    for (int side = 0; side < 2; side++)
        for (uint64_t picks = test_below(4); picks > 0; picks--) {
            int at = (int)test_below((uint64_t)h->count);
            h->nodes[at].tip[side] = true;
            for (int k = at; k >= 0; k = h->nodes[k].prev)
                h->nodes[k].has[side] = true;
        }
}

static void plant(history *h, int side)
{
    ph_intake *in;
    ph_intake_report rep;
    REQUIRE_OK(ph_intake_begin(sides[side], &in, &err), &err);
    for (int i = 0; i < h->count; i++) {
        ph_frame_context ctx = { .has_last = false };
        if (h->nodes[i].has[side])
            REQUIRE_OK(ph_intake_frame(in, PH_FRAME_CHANGESET, ph_buf_slice(&h->nodes[i].frame),
                                       &ctx, &err),
                       &err);
    }
    for (int i = h->count - 1; i >= 0; i--)
        if (h->nodes[i].tip[side])
            REQUIRE_OK(ph_intake_signature(in, &h->nodes[i].id, h->nodes[i].sig, &err), &err);
    REQUIRE_OK(ph_intake_finish(in, &rep, &err), &err);
    CHECK_EQ_UINT(rep.unsigned_rest, 0);
    ph_intake_free(in);
}

/* ---- the comparison by brute force ------------------------------------------------------------------------- */

static bool is_named(const ph_id *ids, size_t n, const ph_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (ph_id_eq(&ids[i], id))
            return true;
    return false;
}

static void expect(const history *h, int from, const ph_sync_want *want, bool *wanted)
{
    memset(wanted, 0, LONGEST * sizeof *wanted);
    for (int i = 0; i < h->count; i++)
        if (is_named(want->wanted, want->wanted_count, &h->nodes[i].id))
            for (int k = i; k >= 0; k = h->nodes[k].prev)
                wanted[k] = true;
    for (int i = 0; i < h->count; i++)
        if (h->nodes[i].has[from] && is_named(want->known, want->known_count, &h->nodes[i].id))
            for (int k = i; k >= 0; k = h->nodes[k].prev)
                wanted[k] = false;
}

static bool selected(ph_view *v, const ph_sync_spans *spans, const ph_id *id)
{
    uint64_t version;
    if (ph_view_version_of(v, id, &version, &err) != PROPHET_OK)
        return false;
    for (size_t i = 0; i < spans->count; i++)
        if (version >= spans->at[i].first && version <= spans->at[i].last)
            return true;
    return false;
}

typedef struct pump {
    ph_intake *in;
    ph_frame_context ctx;
} pump;

static prophet_code take(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *signed_id,
                         prophet_error *e)
{
    pump *p = ctx;
    (void)signed_id;
    return ph_intake_frame(p->in, type, frame, &p->ctx, e);
}

/* One history from one side to the other, by its own heads alone. */
static void exchange(history *h, int from)
{
    ph_arena a = PH_ARENA_INIT;
    ph_chain_head heads[LONGEST];
    ph_sync_offer offer = { .heads = heads };
    ph_sync_want want;
    ph_view *source, *target;
    ph_sync_spans spans = { 0 };
    ph_sync_cursor at = { 0 };
    uint64_t versions[LONGEST], n;
    bool wanted[LONGEST];
    int to = 1 - from;
    for (int i = 0; i < h->count; i++) {
        bool tip = h->nodes[i].has[from];
        for (int k = 0; k < h->count && tip; k++)
            tip = !(h->nodes[k].has[from] && h->nodes[k].prev == i);
        if (tip)
            heads[offer.count++] = (ph_chain_head){ .replica = h->key, .id = h->nodes[i].id };
    }
    REQUIRE_OK(ph_replica_flush(sides[from], &err), &err); /* what may be lost is not served */
    REQUIRE_OK(ph_view_begin(sides[from], &source, &err), &err);
    REQUIRE_OK(ph_view_begin(sides[to], &target, &err), &err);
    REQUIRE_OK(ph_sync_want_make(target, &offer, &a, &want, &err), &err);
    ph_view_end(target);
    REQUIRE_OK(ph_sync_select(source, &want, &spans, &n, &err), &err);
    expect(h, from, &want, wanted);
    for (int i = 0; i < h->count; i++) {
        bool sent = h->nodes[i].has[from] && selected(source, &spans, &h->nodes[i].id);
        CHECK(sent == wanted[i]);
        if (h->nodes[i].has[from] && !h->nodes[i].has[to])
            CHECK(sent); /* nothing that is missing is left out */
    }
    pump p = { 0 };
    ph_intake_report rep;
    REQUIRE_OK(ph_intake_begin(sides[to], &p.in, &err), &err);
    REQUIRE(ph_sync_spans_take(&spans, &at, versions, LONGEST) == n);
    REQUIRE_OK(ph_view_stream(source, versions, n, false, take, &p, &err), &err);
    ph_free(spans.at);
    ph_view_end(source);
    REQUIRE_OK(ph_intake_finish(p.in, &rep, &err), &err);
    CHECK_EQ_UINT(rep.unsigned_rest + rep.held_back, 0);
    ph_intake_free(p.in);
    for (int i = 0; i < h->count; i++)
        h->nodes[i].has[to] = h->nodes[i].has[to] || h->nodes[i].has[from];
    ph_arena_clear(&a);
}

static void open_sides(void)
{
    const ph_replica_options o = { .relaxed = true };
    REQUIRE_OK(ph_replica_create(test_path("a"), NULL, &err), &err);
    REQUIRE_OK(ph_replica_open(test_path("a"), &o, &sides[0], &err), &err);
    REQUIRE_OK(ph_replica_create(test_path("b"), ph_replica_database(sides[0]), &err), &err);
    REQUIRE_OK(ph_replica_open(test_path("b"), &o, &sides[1], &err), &err);
}

static void free_history(history *h)
{
    for (int i = 0; i < h->count; i++)
        ph_buf_clear(&h->nodes[i].frame);
    ph_keypair_free(h->keys);
}

TEST(two_thousand_forked_histories_end_and_send_what_brute_force_says)
{
    static history h;
    ph_hasher *hasher;
    uint8_t d[2][32];
    REQUIRE_OK(ph_hasher_new(&hasher, &err), &err);
    for (int n = 0; n < HISTORIES; n++) {
        if (n % BATCH == 0)
            open_sides();
        grow(&h, hasher);
        plant(&h, 0);
        plant(&h, 1);
        exchange(&h, 0);
        exchange(&h, 1);
        free_history(&h);
        if (n % BATCH != BATCH - 1)
            continue;
        for (int side = 0; side < 2; side++) {
            ph_view *v;
            REQUIRE_OK(ph_view_begin(sides[side], &v, &err), &err);
            REQUIRE_OK(ph_view_digest(v, d[side], &err), &err);
            ph_view_end(v);
            ph_replica_close(sides[side]);
        }
        CHECK_MEM(d[0], d[1], 32);
        REQUIRE_OK(ph_dir_remove(test_path("a"), &err), &err);
        REQUIRE_OK(ph_dir_remove(test_path("b"), &err), &err);
    }
    ph_hasher_free(hasher);
}
