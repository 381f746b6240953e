/* A depot on a web server over TLS, of which one publisher, or the host, is hostile: signed manifests that name bombs, frames over the limit or not canonical,
 * unsigned tails, broken signatures; segments cut, padded and changed; redirects; another's seal. Each has its code, nothing of it is applied, what
 * the honest publisher put there comes all the same, and the next pull goes on once the harm is gone. */
#include "server.h"
#include "unit/depot_craft.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

typedef struct scene {
    server nginx;
    char www[600], depot[700], url[200], authority[600];
    unsigned port, tls;
    ph_replica *honest, *evil, *reader;
    ph_id head; /* of evil's chain */
    ph_buf bytes, manifest, frames;
    uint64_t generation;
} scene;

static void open_scene(scene *s)
{
    const char *argv[] = { "python3", test_source("tests/services/start.py"), "nginx", test_dir(),
                           NULL };
    char folder[400];
    if (!server_has("nginx"))
        test_skip("nginx is not installed");
    memset(s, 0, sizeof *s);
    REQUIRE(setenv("no_proxy", "localhost,127.0.0.1", 1) == 0);
    REQUIRE(server_start(&s->nginx, argv));
    REQUIRE(sscanf(s->nginx.line, "%399s %u %u %599s", folder, &s->port, &s->tls, s->authority) ==
            4);
    (void)snprintf(s->www, sizeof s->www, "%s/www", folder);
    (void)snprintf(s->depot, sizeof s->depot, "%s/d.depot", s->www);
    (void)snprintf(s->url, sizeof s->url, "https://localhost:%u/d.depot", s->tls);
    s->honest = fresh("honest", NULL);
    s->evil = fresh("evil", ph_replica_database(s->honest));
    s->reader = fresh("reader", ph_replica_database(s->honest));
    s->generation = 100;
    write_some(s->evil, 3);
    REQUIRE_OK(ph_replica_sign(s->evil, &err), &err);
    craft_frames(s->evil, &s->frames);
}

static void close_scene(scene *s)
{
    ph_replica_close(s->honest);
    ph_replica_close(s->evil);
    ph_replica_close(s->reader);
    ph_buf_clear(&s->bytes);
    ph_buf_clear(&s->manifest);
    ph_buf_clear(&s->frames);
    server_stop(&s->nginx);
}

static prophet_code pull_over(scene *s, const char *url, const char *seal)
{
    prophet_net_options way = PROPHET_NET_OPTIONS_INIT;
    way.cacert = s->authority;
    const ph_sync_options o = { .net = &way, .seal = seal };
    ph_sync_report rep;
    prophet_code rc = ph_sync_pull(s->reader, url, &o, &rep, &err);
    ph_sync_report_clear(&rep);
    return rc;
}

static void publish_to(scene *s, ph_replica *r)
{
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_publish(r, s->depot, NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
}

/* The honest one has something new; then a pull fails with this, brings that, and nothing of the other. */
static void refused(scene *s, const char *what, prophet_code code, const char *why)
{
    uint64_t before = version_of(s->reader);
    test_context("%s", what);
    CHECK_CODE(pull_over(s, s->url, NULL), code, &err);
    CHECK_HAS(err.message, why);
    CHECK_EQ_UINT(version_of(s->reader), before + 1);
    CHECK(same(s->reader, s->honest));
    test_context(NULL);
}

/* ---- what the hostile publisher puts there -------------------------------------------------------------------------------------- */

/* A manifest of evil's that names one segment, well signed; into s->manifest. */
static void sign_manifest(scene *s, const ph_uuid *database, depot_segment *one)
{
    ph_buf message = PH_BUF_INIT;
    uint8_t sig[64];
    depot_manifest m = { .database = *database,
                         .replica = *ph_replica_key(s->evil),
                         .generation = ++s->generation,
                         .heads = &s->head,
                         .head_count = 1,
                         .segments = one,
                         .segment_count = 1 };
    ph_buf_reset(&s->manifest);
    REQUIRE_OK(depot_manifest_encode(&m, &s->manifest, &err), &err);
    depot_manifest_message(ph_buf_slice(&s->manifest), &message);
    REQUIRE_OK(ph_replica_prove(s->evil, ph_buf_slice(&message), sig, &err), &err);
    ph_buf_put(&s->manifest, sig, sizeof sig);
    ph_buf_clear(&message);
}

/* The root tells both publishers: nobody can list over HTTP. */
static void put_root(scene *s)
{
    depot_entry both[2] = { { .replica = *ph_replica_key(s->honest),
                              .generation = ++s->generation },
                            { .replica = *ph_replica_key(s->evil), .generation = s->generation } };
    if (ph_id_cmp(&both[0].replica, &both[1].replica) > 0) {
        depot_entry first = both[0];
        both[0] = both[1];
        both[1] = first;
    }
    const depot_root root = { *ph_replica_database(s->honest), both, 2 };
    ph_buf bytes = PH_BUF_INIT;
    char path[800];
    REQUIRE_OK(depot_root_encode(&root, &bytes, &err), &err);
    (void)snprintf(path, sizeof path, "%s/" DEPOT_ROOT, s->depot);
    REQUIRE_OK(ph_file_replace(path, ph_buf_slice(&bytes), 0644, &err), &err);
    ph_buf_clear(&bytes);
}

static void honest_writes(scene *s)
{
    write_some(s->honest, 1);
    publish_to(s, s->honest);
}

/* s->bytes, put there as a segment of `size_told` bytes, which is what its name says. */
static void plant(scene *s, uint64_t size_told)
{
    const sync_run run = { *ph_replica_key(s->evil), 1, 3, s->head };
    depot_segment one = { .size = size_told, .changesets = 3, .runs = &run, .run_count = 1 };
    char name[65];
    memcpy(one.name, s->bytes.data + s->bytes.len - SEGMENT_SUM, SEGMENT_SUM);
    memcpy(one.file.b, one.name, SEGMENT_SUM);
    ph_hex(one.name, SEGMENT_SUM, name);
    honest_writes(s);
    sign_manifest(s, ph_replica_database(s->evil), &one);
    craft_put(s->depot, ph_replica_key(s->evil), name, ph_buf_slice(&s->bytes));
    craft_put(s->depot, ph_replica_key(s->evil), "manifest", ph_buf_slice(&s->manifest));
    put_root(s);
}

static void craft(scene *s, const void *block, size_t len, size_t told)
{
    const sync_run run = { *ph_replica_key(s->evil), 1, 3, s->head };
    craft_start(&s->bytes, ph_replica_database(s->evil), &run, 1, 3);
    craft_block(&s->bytes, block, len, told);
    craft_finish(&s->bytes);
}

static void evil_block(scene *s, const char *what, const void *block, size_t len, size_t told,
                       prophet_code code, const char *why)
{
    craft(s, block, len, told);
    plant(s, s->bytes.len);
    refused(s, what, code, why);
}

static void find_head(scene *s)
{
    ph_view *v;
    ph_changeset_row row;
    REQUIRE_OK(ph_view_begin(s->evil, &v, &err), &err);
    REQUIRE_OK(ph_changesets_get(v->txn, 3, &row, &err), &err);
    s->head = row.id;
    ph_view_end(v);
}

static void undo_the_harm(scene *s)
{
    char path[800], hex[65];
    ph_hex(ph_replica_key(s->evil)->b, 32, hex);
    (void)snprintf(path, sizeof path, "%s/%s", s->depot, hex);
    REQUIRE_OK(ph_dir_remove(path, &err), &err);
    put_root(s);
    publish_to(s, s->evil);
    publish_to(s, s->honest);
    REQUIRE_OK(pull_over(s, s->url, NULL), &err);
    CHECK_EQ_UINT(version_of(s->reader), version_of(s->honest) + 3);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------------------------- */

TEST(bombs_and_frames_that_are_none)
{
    scene s;
    size_t big = 8u << 20, room = ZSTD_compressBound(big);
    uint8_t *zeros = calloc(1, big), *packed = malloc(room);
    open_scene(&s);
    find_head(&s);
    size_t n = ZSTD_compress(packed, room, zeros, big, 19), all = s.frames.len;
    uint8_t *frames = s.frames.data;
    evil_block(&s, "a bomb", packed, n, big, PROPHET_ECORRUPT, "unfolds to more");
    evil_block(&s, "a bomb that lies", packed, n, 60000, PROPHET_ECORRUPT,
               "does not have the length");
    evil_block(&s, "a giant", zeros, 4, 1u << 30, PROPHET_ECORRUPT, "larger than any");
    evil_block(&s, "a giant frame", "\1\xff\xff\xff\x7f", 5, 5, PROPHET_ECORRUPT,
               "a frame is larger");
    evil_block(&s, "too few", frames, all / 3, all / 3, PROPHET_ECORRUPT, "");
    evil_block(&s, "not canonical", "\1\3\xa1\x18\x01\1\3\xa1\x18\x01\1\3\xa1\x18\x01", 15, 15,
               PROPHET_ECORRUPT, "changeset frame");
    CHECK_EQ_UINT(frames[all - 98], PH_FRAME_SIGNATURE);
    evil_block(&s, "an unsigned tail", frames, all - 98, all - 98, PROPHET_EUNSIGNED,
               "nobody signed");
    frames[all - 1] ^= 1;
    evil_block(&s, "a broken signature", frames, all, all, PROPHET_EUNTRUSTED, "signature");
    frames[all - 1] ^= 1;
    undo_the_harm(&s);
    free(zeros);
    free(packed);
    close_scene(&s);
}

TEST(segments_that_are_cut_padded_changed_or_another)
{
    scene s;
    open_scene(&s);
    find_head(&s);
    craft(&s, s.frames.data, s.frames.len, s.frames.len);
    size_t len = s.bytes.len;
    char name[65];
    ph_hex(s.bytes.data + len - SEGMENT_SUM, SEGMENT_SUM, name);
    for (int i = 0; i < 4;
         i++) { /* the manifest is good each time; the host spoils what it names */
        plant(&s, len);
        const size_t cut = i == 0 ? 1 : i == 1 ? len / 2 : 0;
        ph_buf_reset(&s.manifest);
        ph_buf_put(&s.manifest, s.bytes.data, len - cut);
        if (i == 2)
            ph_buf_byte(&s.manifest, 0);
        if (i == 3)
            s.manifest.data[len / 2] ^= 4;
        craft_put(s.depot, ph_replica_key(s.evil), name, ph_buf_slice(&s.manifest));
        refused(&s,
                i < 2    ? "cut"
                : i == 2 ? "padded"
                         : "changed",
                PROPHET_ECORRUPT,
                i < 2    ? "cut short"
                : i == 2 ? "longer than its manifest says"
                         : "");
    }
    plant(&s, len); /* sound, and with a checksum that fits, but another than its name says */
    ph_buf_reset(&s.manifest);
    ph_buf_put(&s.manifest, s.bytes.data, len - SEGMENT_SUM - 8);
    s.manifest.data[s.manifest.len - 1] ^= 1; /* the end of the last signature */
    craft_finish(&s.manifest);
    CHECK_EQ_UINT(s.manifest.len, len);
    craft_put(s.depot, ph_replica_key(s.evil), name, ph_buf_slice(&s.manifest));
    refused(&s, "another segment by that name", PROPHET_ECORRUPT, "is not what its name says");
    ph_buf_byte(&s.bytes, 0); /* padded, and the manifest says so; its name cannot fit then */
    plant(&s, len + 1);
    refused(&s, "padded with leave", PROPHET_ECORRUPT, "bytes follow its end");
    s.bytes.len = len;
    plant(&s, len - 1);
    refused(&s, "longer than told", PROPHET_ECORRUPT, "longer than its manifest says");
    plant(&s, len); /* and whole */
    CHECK_OK(pull_over(&s, s.url, NULL), &err);
    CHECK_EQ_UINT(version_of(s.reader), version_of(s.honest) + 3);
    close_scene(&s);
}

TEST(manifests_of_others_and_of_other_databases)
{
    scene s;
    open_scene(&s);
    find_head(&s);
    craft(&s, s.frames.data, s.frames.len, s.frames.len);
    plant(&s, s.bytes.len);
    s.manifest.data[s.manifest.len - 1] ^= 1;
    craft_put(s.depot, ph_replica_key(s.evil), "manifest", ph_buf_slice(&s.manifest));
    refused(&s, "a broken signature", PROPHET_EUNTRUSTED, "signature");

    ph_replica *other = fresh("other", NULL), *thief = s.evil;
    write_some(other, 1);
    plant(&s, s.bytes.len);
    char source[5000];
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_publish(other, place("other.depot"), NULL, &rep, &err), &err);
    ph_sync_report_clear(&rep);
    char hex[65];
    ph_hex(ph_replica_key(other)->b, 32, hex);
    (void)snprintf(source, sizeof source, "%s/%s/manifest", place("other.depot"), hex);
    ph_buf_reset(&s.manifest);
    REQUIRE_OK(ph_file_slurp(source, 1u << 20, &s.manifest, &err), &err);
    craft_put(s.depot, ph_replica_key(thief), "manifest", ph_buf_slice(&s.manifest));
    refused(&s, "a manifest of another publisher", PROPHET_EUNTRUSTED, "another publisher");

    plant(&s, s.bytes.len);
    s.manifest.data[2] = 9;
    craft_put(s.depot, ph_replica_key(s.evil), "manifest", ph_buf_slice(&s.manifest));
    refused(&s, "a later format", PROPHET_EVERSION, "format 9");

    plant(&s, s.bytes.len);
    sign_manifest(&s, ph_replica_database(other), (depot_segment[]){ { .size = 1 } });
    craft_put(s.depot, ph_replica_key(s.evil), "manifest", ph_buf_slice(&s.manifest));
    refused(&s, "of another database", PROPHET_EUNRELATED, "different databases");
    undo_the_harm(&s);

    CHECK_CODE(pull_over(&s, s.url, NULL), PROPHET_OK, &err);
    ph_replica *reader = s.reader;
    s.reader = other;
    CHECK_CODE(pull_over(&s, s.url, NULL), PROPHET_EUNRELATED, &err);
    CHECK_EQ_UINT(version_of(other), 1);
    s.reader = reader;
    ph_replica_close(other);
    close_scene(&s);
}

/* ---- the host ------------------------------------------------------------------------------------------------------------------------ */

TEST(redirects_to_what_is_less_safe)
{
    static const char *const ways[] = { "plain", "ftp", "file" };
    scene s;
    char url[200];
    open_scene(&s);
    honest_writes(&s);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        (void)snprintf(url, sizeof url, "https://localhost:%u/to-%s/d.depot", s.tls, ways[i]);
        CHECK_CODE(pull_over(&s, url, NULL), PROPHET_EREMOTE, &err);
        CHECK_HAS(err.message, "less safe or no HTTP");
        CHECK_EQ_UINT(version_of(s.reader), 0);
    }
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/d.depot",
                   s.port); /* that way it would have come */
    CHECK_OK(pull_over(&s, url, NULL), &err);
    CHECK_EQ_UINT(version_of(s.reader), 1);
    close_scene(&s);
}

TEST(another_seal_opens_nothing)
{
    scene s;
    char key[4300], other[4300];
    const ph_sync_options sealed = { .seal = key };
    ph_sync_report rep;
    open_scene(&s);
    (void)snprintf(key, sizeof key, "%s", place("key"));
    (void)snprintf(other, sizeof other, "%s", place("other"));
    REQUIRE_OK(ph_sync_key_new(key, NULL, &err), &err);
    REQUIRE_OK(ph_sync_key_new(other, NULL, &err), &err);
    write_some(s.honest, 2);
    REQUIRE_OK(ph_sync_publish(s.honest, s.depot, &sealed, &rep, &err), &err);
    ph_sync_report_clear(&rep);
    CHECK_CODE(pull_over(&s, s.url, other), PROPHET_EUNTRUSTED, &err);
    CHECK_CODE(pull_over(&s, s.url, NULL), PROPHET_EUNTRUSTED, &err);
    CHECK_HAS(err.hint, "--seal");
    CHECK_EQ_UINT(version_of(s.reader), 0);
    CHECK_OK(pull_over(&s, s.url, key), &err);
    CHECK(same(s.reader, s.honest));
    close_scene(&s);
}
