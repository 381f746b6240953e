/* Segments and bundles: what is written is read again; what is cut, padded, damaged, swollen or of another database changes nothing. */
#include "segment_craft.h"
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

static prophet_error err;

static const char *place(const char *name)
{
    static char paths[8][4200];
    static int next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static ph_replica *fresh(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    REQUIRE_OK(ph_replica_create(place(name), database, &err), &err);
    REQUIRE_OK(ph_replica_open(place(name), NULL, &r, &err), &err);
    return r;
}

static void write_one(ph_replica *r, const char *text, size_t size)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;
    ph_put_text(&b, ph_slice(text, size));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
}

static void write_some(ph_replica *r, size_t count)
{
    char text[24];
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(text, sizeof text, "note %llu", (unsigned long long)test_below(1000000));
        write_one(r, text, (size_t)n);
    }
}

static void digest_of(ph_replica *r, uint8_t out[32])
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, out, &err), &err);
    ph_view_end(v);
}

static bool same(ph_replica *a, ph_replica *b)
{
    uint8_t x[32], y[32];
    digest_of(a, x);
    digest_of(b, y);
    return memcmp(x, y, 32) == 0;
}

static uint64_t version_of(ph_replica *r)
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint64_t n = v->state.version;
    ph_view_end(v);
    return n;
}

static void bundle(ph_replica *r, const char *name, const char *since, uint64_t expected)
{
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_bundle(r, place(name), since, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, expected);
    ph_sync_report_clear(&rep);
}

static prophet_code apply(ph_replica *r, const char *name, uint64_t *changesets)
{
    ph_sync_report rep;
    prophet_code rc = ph_sync_apply(r, place(name), NULL, &rep, &err);
    if (changesets)
        *changesets = rep.changesets;
    ph_sync_report_clear(&rep);
    return rc;
}

static void slurp(const char *name, ph_buf *out)
{
    ph_buf_reset(out);
    REQUIRE_OK(ph_file_slurp(place(name), 1u << 28, out, &err), &err);
}

static void spit(const char *name, const void *bytes, size_t len)
{
    REQUIRE_OK(ph_file_replace(place(name), ph_slice(bytes, len), 0644, &err), &err);
}

/* ---- bundles ------------------------------------------------------------------------------------------------------- */

TEST(a_bundle_brings_everything)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    uint64_t n;
    write_some(a, 3000);
    bundle(a, "all", NULL, 3000);
    CHECK_OK(apply(b, "all", &n), &err);
    CHECK_EQ_UINT(n, 3000);
    CHECK(same(a, b));
    CHECK_OK(apply(b, "all", &n), &err);
    CHECK_EQ_UINT(n, 0);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_bundle_is_a_source_of_clones)
{
    ph_replica *a = fresh("a", NULL), *b;
    ph_sync_report rep;
    write_some(a, 20);
    bundle(a, "all", NULL, 20);
    REQUIRE_OK(ph_sync_clone(place("all"), place("b"), NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
    REQUIRE_OK(ph_replica_open(place("b"), NULL, &b, &err), &err);
    CHECK(same(a, b));
    write_some(a, 5);
    bundle(a, "later", "20", 5);
    CHECK_CODE(ph_sync_clone(place("later"), place("c"), NULL, &rep, &err), PROPHET_ENOTFOUND,
               &err);
    CHECK(!ph_path_exists(place("c")));
    CHECK_OK(apply(b, "later", NULL), &err);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(what_lacks_its_base_changes_nothing_and_names_it)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_chain_head *heads;
    ph_view *v;
    size_t n;
    char hex[17];
    write_some(a, 7);
    REQUIRE_OK(ph_view_begin(a, &v, &err), &err);
    REQUIRE_OK(ph_view_chains(v, &v->arena, &heads, &n, &err), &err);
    ph_hex(heads[0].id.b, 8, hex);
    ph_view_end(v);
    write_some(a, 3);
    bundle(a, "part", "7", 3);
    CHECK_CODE(apply(b, "part", NULL), PROPHET_ENOTFOUND, &err);
    CHECK_HAS(err.message, hex);
    CHECK_EQ_UINT(version_of(b), 0);
    bundle(a, "all", NULL, 10);
    CHECK_OK(apply(b, "all", NULL), &err);
    CHECK_OK(apply(b, "part", NULL), &err);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

/* Two who never meet: a stick goes back and forth. */
TEST(since_a_changeset_and_since_a_place)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    ph_id id;
    ph_change_txn *c;
    ph_buf text = PH_BUF_INIT;
    char hex[65];
    uint64_t n;
    write_some(a, 4);
    bundle(a, "all", NULL, 4);
    CHECK_OK(apply(b, "all", NULL), &err);
    write_some(b, 2);
    REQUIRE_OK(ph_sync_pull(a, place("b"), NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
    ph_put_text(&text, ph_slice_str("here"));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&text) };
    REQUIRE_OK(ph_change_begin(a, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, &id, NULL, &err), &err);
    write_some(a, 6);
    ph_hex(id.b, 32, hex);
    bundle(a, "since_id", hex, 6);       /* it had seen b's two */
    bundle(a, "since_b", place("b"), 7); /* as b was at the pull */
    CHECK_CODE(apply(b, "since_id", NULL), PROPHET_ENOTFOUND, &err);
    CHECK_OK(apply(b, "since_b", &n), &err);
    CHECK_EQ_UINT(n, 7);
    CHECK(same(a, b));
    CHECK_CODE(ph_sync_bundle(a, place("x"), "99", NULL, &rep, &err), PROPHET_ENOTFOUND, &err);
    hex[0] = hex[0] == '0' ? '1' : '0';
    CHECK_CODE(ph_sync_bundle(a, place("x"), hex, NULL, &rep, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_sync_bundle(a, place("x"), "never met", NULL, &rep, &err), PROPHET_ENOTFOUND,
               &err);
    CHECK(!ph_path_exists(place("x")));
    ph_buf_clear(&text);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(only_bundles_are_written_over)
{
    ph_replica *a = fresh("a", NULL);
    ph_sync_report rep;
    write_some(a, 1);
    spit("letter", "dear ann", 8);
    CHECK_CODE(ph_sync_bundle(a, place("letter"), NULL, NULL, &rep, &err), PROPHET_EEXISTS, &err);
    bundle(a, "x", NULL, 1);
    write_some(a, 1);
    bundle(a, "x", NULL, 2);
    CHECK_CODE(ph_sync_push(a, place("x"), NULL, &rep, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(apply(a, "a", NULL), PROPHET_EUSAGE, &err);
    ph_replica_close(a);
}

TEST(a_dry_run_counts_and_writes_nothing)
{
    const ph_sync_options dry = { .dry_run = true };
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    write_some(a, 9);
    bundle(a, "all", NULL, 9);
    REQUIRE_OK(ph_sync_pull(b, place("all"), &dry, &rep, &err), &err);
    CHECK(rep.dry_run);
    CHECK_EQ_UINT(rep.changesets, 9);
    CHECK_EQ_UINT(rep.new_writer_count, 1);
    CHECK_MEM(rep.writers[0].b, ph_replica_key(a)->b, 32);
    CHECK_EQ_UINT(version_of(b), 0);
    ph_sync_report_clear(&rep);
    ph_replica_close(a);
    ph_replica_close(b);
}

static void copy_directory(const char *from, const char *to)
{
    char command[9000];
    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", place(from), place(to));
    FILE *p = popen(command, "r"); /* a person would do just that */
    REQUIRE(p && pclose(p) == 0);
}

/* An adopted copy keeps the key: two branches of one chain, whole and in part. */
TEST(forks_lie_in_segments_too)
{
    ph_replica *a = fresh("a", NULL), *b, *c = fresh("c", ph_replica_database(a));
    ph_sync_report rep;
    write_some(a, 3);
    ph_replica_close(a);
    copy_directory("a", "b");
    REQUIRE_OK(ph_replica_adopt(place("b"), &err), &err);
    REQUIRE_OK(ph_replica_open(place("a"), NULL, &a, &err), &err);
    REQUIRE_OK(ph_replica_open(place("b"), NULL, &b, &err), &err);
    write_some(a, 2);
    write_some(b, 3);
    bundle(a, "left", NULL, 5);
    bundle(b, "right", NULL, 6);
    CHECK_OK(apply(c, "right", NULL), &err);
    CHECK_OK(apply(c, "left", NULL), &err);
    REQUIRE_OK(ph_sync_pull(a, place("b"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 3);
    ph_sync_report_clear(&rep);
    write_some(a, 2);
    bundle(a, "both", NULL, 11); /* a meets its own key, and takes a new one: one more */
    bundle(a, "part", "6", 5);   /* two of the other branch, three after the fork was seen */
    CHECK_OK(apply(c, "both", NULL), &err);
    CHECK(same(a, c));
    ph_replica_close(a);
    ph_replica_close(b);
    ph_replica_close(c);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------- */

typedef struct pair {
    ph_replica *a, *b;
    ph_buf good, bad;
} pair;

static void pair_open(pair *p, size_t changesets)
{
    memset(p, 0, sizeof *p);
    p->a = fresh("a", NULL);
    p->b = fresh("b", ph_replica_database(p->a));
    write_some(p->a, changesets);
    bundle(p->a, "good", NULL, changesets);
    slurp("good", &p->good);
}

static void pair_close(pair *p)
{
    ph_replica_close(p->a);
    ph_replica_close(p->b);
    ph_buf_clear(&p->good);
    ph_buf_clear(&p->bad);
}

static void refused(pair *p, const uint8_t *bytes, size_t len, prophet_code code, const char *why)
{
    spit("bad", bytes, len);
    CHECK_CODE(apply(p->b, "bad", NULL), code, &err);
    CHECK_HAS(err.message, why);
    CHECK_EQ_UINT(version_of(p->b), 0);
}

TEST(cut_or_padded_anywhere_it_is_refused)
{
    pair p;
    pair_open(&p, 3);
    for (size_t len = 0; len < p.good.len; len += len < 20 || len + 70 > p.good.len ? 1 : 7)
        refused(&p, p.good.data, len, PROPHET_ECORRUPT, len < 16 ? "" : "cut short");
    ph_buf_byte(&p.good, 0);
    refused(&p, p.good.data, p.good.len, PROPHET_ECORRUPT, "bytes follow its end");
    CHECK_OK(apply(p.b, "good", NULL), &err);
    CHECK(same(p.a, p.b));
    pair_close(&p);
}

TEST(a_flipped_bit_anywhere_is_refused)
{
    pair p;
    pair_open(&p, 2);
    for (size_t i = 0; i < p.good.len; i++) {
        uint8_t bit = (uint8_t)(1u << test_below(8));
        p.good.data[i] ^= bit;
        spit("bad", p.good.data, p.good.len);
        prophet_code rc = apply(p.b, "bad", NULL);
        CHECK(rc == PROPHET_ECORRUPT || rc == PROPHET_EVERSION);
        CHECK_EQ_UINT(version_of(p.b), 0);
        p.good.data[i] ^= bit;
    }
    pair_close(&p);
}

/* ---- made by hand ------------------------------------------------------------------------------------------------------ */

static void refused_block(pair *p, const void *bytes, size_t len, size_t told, prophet_code code,
                          const char *why)
{
    craft_start(&p->bad, ph_replica_database(p->a), NULL, 0, 1);
    craft_block(&p->bad, bytes, len, told);
    craft_finish(&p->bad);
    refused(p, p->bad.data, p->bad.len, code, why);
}

TEST(bombs_and_frames_over_the_limit)
{
    pair p;
    size_t big = 8u << 20;
    uint8_t *zeros = calloc(1, big), *packed = malloc(ZSTD_compressBound(big));
    pair_open(&p, 1);
    size_t n = ZSTD_compress(packed, ZSTD_compressBound(big), zeros, big, 19);
    refused_block(&p, packed, n, big, PROPHET_ECORRUPT, "unfolds to more");
    refused_block(&p, packed, n, 60000, PROPHET_ECORRUPT, "does not have the length");
    refused_block(&p, zeros, 4, 1u << 30, PROPHET_ECORRUPT, "larger than any");
    refused_block(&p, zeros, 5, 4, PROPHET_ECORRUPT, "larger than any");
    refused_block(&p, "rubbish!", 8, 100, PROPHET_ECORRUPT, "does not have the length");
    refused_block(&p, "\1\xff\xff\xff\x7f", 5, 5, PROPHET_ECORRUPT, "a frame is larger");
    refused_block(&p, "\1\x05zz", 4, 4, PROPHET_ECORRUPT, "beyond its block");
    refused_block(&p, "\1\x85\x00zzzzz", 8, 8, PROPHET_ECORRUPT, "without a length");
    refused_block(&p, "\3\1z", 3, 3, PROPHET_ECORRUPT, "never sent");
    refused_block(&p, "\1\1z\1\1z", 6, 6, PROPHET_ECORRUPT, "more than it says");
    refused_block(&p, "\2\1z", 3, 3, PROPHET_ECORRUPT, "fewer");
    free(zeros);
    free(packed);
    pair_close(&p);
}

TEST(frames_that_are_not_canonical_or_not_signed)
{
    pair p;
    ph_buf block_bytes = PH_BUF_INIT;
    pair_open(&p, 1);
    craft_frames(p.a, &block_bytes);
    size_t signature = block_bytes.len - 98; /* type, length, 96 bytes */
    CHECK_EQ_UINT(block_bytes.data[signature], PH_FRAME_SIGNATURE);
    refused_block(&p, block_bytes.data, signature, signature, PROPHET_EUNSIGNED, "nobody signed");
    block_bytes.data[block_bytes.len - 1] ^= 1;
    refused_block(&p, block_bytes.data, block_bytes.len, block_bytes.len, PROPHET_EUNTRUSTED,
                  "signature");
    block_bytes.data[block_bytes.len - 1] ^= 1;
    block_bytes.data[signature - 1] ^= 1; /* the last byte of the body: another body, another id */
    craft_start(&p.bad, ph_replica_database(p.a), NULL, 0, 1);
    craft_block(&p.bad, block_bytes.data, block_bytes.len, block_bytes.len);
    craft_finish(&p.bad);
    spit("bad", p.bad.data, p.bad.len);
    CHECK(apply(p.b, "bad", NULL) < 0);
    CHECK_EQ_UINT(version_of(p.b), 0);
    refused_block(&p, "\1\3\xa1\x18\x01", 5, 5, PROPHET_ECORRUPT, "changeset frame");
    ph_buf_clear(&block_bytes);
    pair_close(&p);
}

TEST(another_database_is_refused)
{
    pair p;
    pair_open(&p, 2);
    ph_replica *other = fresh("other", NULL);
    ph_sync_report rep;
    CHECK_CODE(ph_sync_pull(other, place("good"), NULL, &rep, &err), PROPHET_EUNRELATED, &err);
    CHECK_EQ_UINT(version_of(other), 0);
    ph_replica_close(other);
    pair_close(&p);
}

TEST(a_changeset_of_eight_megabytes_of_nothing_passes)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    char *text = malloc(1u << 20);
    memset(text, 'a', 1u << 20);
    for (int i = 0; i < 4; i++)
        write_one(a, text,
                  (1u << 20) - 100); /* shrinks beyond what a reader takes: stored as it is */
    bundle(a, "big", NULL, 4);
    CHECK_OK(apply(b, "big", NULL), &err);
    CHECK(same(a, b));
    free(text);
    ph_replica_close(a);
    ph_replica_close(b);
}
