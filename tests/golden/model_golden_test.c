/* The stored bytes of format 1 (tests/golden/format1): each line is read, written again and compared,
 * or refused with the stored reason. The files were made with cbor2 and openssl, not by the engine;
 * lines are added, never changed. */
#include "model/model.h"
#include "support/test.h"
#include <stdlib.h>

typedef struct golden {
    FILE *file;
    char *line, *rest;
    size_t room, number;
    unsigned good, refused;
    ph_arena arena;
    ph_buf out, scratch;
    ph_hasher *hasher;
    prophet_error err;
} golden;

static void golden_open(golden *g, const char *name)
{
    char path[200];

    memset(g, 0, sizeof *g);
    (void)snprintf(path, sizeof path, "tests/golden/format1/%s", name);
    g->file = fopen(test_source(path), "r");
    REQUIRE(g->file != NULL);
    REQUIRE_OK(ph_hasher_new(&g->hasher, &g->err), &g->err);
}

/* The first word of the next line that is no comment; NULL at the end. */
static const char *golden_next(golden *g)
{
    ph_arena_reset(&g->arena);
    ph_buf_reset(&g->out);
    while (getline(&g->line, &g->room, g->file) > 0) {
        g->line[strcspn(g->line, "\n")] = 0;
        test_context("at line %zu", ++g->number);
        if (g->line[0] != '#')
            return strtok_r(g->line, " ", &g->rest);
    }
    test_context(NULL);
    return NULL;
}

static void golden_close(golden *g)
{
    CHECK(g->good > 0);
    fclose(g->file);
    free(g->line);
    ph_arena_clear(&g->arena);
    ph_buf_clear(&g->out);
    ph_buf_clear(&g->scratch);
    ph_hasher_free(g->hasher);
}

static prophet_slice next_bytes(golden *g)
{
    char *word = strtok_r(NULL, " ", &g->rest);
    size_t len = word && strcmp(word, "-") != 0 ? strlen(word) : 0;
    uint8_t *bytes = ph_arena_alloc(&g->arena, len / 2);

    REQUIRE(word && bytes && ph_unhex(word, len, bytes, len / 2));
    return ph_slice(bytes, len / 2);
}

static void next_fixed(golden *g, void *out, size_t len)
{
    prophet_slice bytes = next_bytes(g);

    REQUIRE(bytes.len == len);
    memcpy(out, bytes.data, len);
}

static size_t next_number(golden *g)
{
    char *word = strtok_r(NULL, " ", &g->rest);

    REQUIRE(word != NULL);
    return strtoul(word, NULL, 10);
}

static void is_good(golden *g, prophet_code rc, prophet_slice again, prophet_slice bytes)
{
    CHECK_CODE(rc, PROPHET_OK, &g->err);
    CHECK_SLICE(again, bytes.data, bytes.len);
    g->good++;
}

static void is_refused(golden *g, prophet_code rc)
{
    CHECK_CODE(rc, PROPHET_ECORRUPT, &g->err);
    CHECK_EQ_STR(g->err.message, g->rest);
    g->refused++;
}

TEST(values_of_format_1)
{
    golden g;

    golden_open(&g, "values.txt");
    for (const char *what; (what = golden_next(&g));) {
        prophet_slice value = next_bytes(&g);
        prophet_code rc = ph_value_check(value, 0, &g.err);
        ph_item item;
        if (strcmp(what, "refused") == 0) {
            is_refused(&g, rc);
            continue;
        }
        REQUIRE(ph_value_open(value, &item));
        is_good(&g, rc, item.raw, value);
    }
    CHECK(g.refused > 0);
    golden_close(&g);
}

TEST(headers_and_ids_of_format_1)
{
    golden g;

    golden_open(&g, "headers.txt");
    for (const char *what; (what = golden_next(&g));) {
        prophet_slice bytes = next_bytes(&g);
        ph_header h;
        prophet_code rc = ph_header_decode(bytes, &g.arena, &h, &g.err);
        ph_id id, want;
        if (strcmp(what, "refused") == 0) {
            is_refused(&g, rc);
            continue;
        }
        REQUIRE_OK(rc, &g.err);
        ph_header_encode(&h, &g.out);
        is_good(&g, rc, ph_buf_slice(&g.out), bytes);
        CHECK_OK(ph_header_id(g.hasher, &h, &g.scratch, &id, &g.err), &g.err);
        next_fixed(&g, &want, sizeof want);
        CHECK_MEM(id.b, want.b, sizeof id.b);
    }
    CHECK(g.refused > 0);
    golden_close(&g);
}

TEST(bodies_of_format_1)
{
    golden g;

    golden_open(&g, "bodies.txt");
    for (const char *what; (what = golden_next(&g));) {
        size_t names = next_number(&g);
        prophet_slice bytes = next_bytes(&g);
        ph_body body;
        prophet_code rc = ph_body_decode(bytes, names, &g.arena, &body, &g.err);
        if (strcmp(what, "refused") == 0) {
            is_refused(&g, rc);
            continue;
        }
        REQUIRE_OK(rc, &g.err);
        CHECK_OK(ph_body_encode(&body, names, &g.out, &g.err), &g.err);
        is_good(&g, rc, ph_buf_slice(&g.out), bytes);
    }
    CHECK(g.refused > 0);
    golden_close(&g);
}

TEST(frames_of_format_1)
{
    ph_frame_context ctx = { 0 };
    ph_uuid database = { { 0 } };
    golden g;

    golden_open(&g, "frames.txt");
    for (const char *what; (what = golden_next(&g));) {
        if (strcmp(what, "start") == 0) {
            next_fixed(&g, &database, sizeof database);
            memset(&ctx, 0, sizeof ctx);
            continue;
        }
        prophet_slice frame = next_bytes(&g);
        ph_frame_context before = ctx;
        ph_changeset cs;
        prophet_code rc = ph_frame_decode(frame, &database, true, g.hasher, &g.scratch, &ctx,
                                          &g.arena, &cs, &g.err);
        ph_id want;
        if (strcmp(what, "refused") == 0) {
            is_refused(&g, rc);
            continue;
        }
        REQUIRE_OK(rc, &g.err);
        ph_frame_encode(&cs, &before, &g.out);
        is_good(&g, rc, ph_buf_slice(&g.out), frame);
        next_fixed(&g, &want, sizeof want);
        CHECK_MEM(cs.id.b, want.b, sizeof want.b);
    }
    CHECK(g.refused > 0);
    golden_close(&g);
}

static void check_signature(golden *g, const ph_keypair *key, const ph_id *public_key,
                            bool succession)
{
    ph_header h = { 0 };
    uint8_t want[64], sig[64];
    ph_id subject;
    prophet_code rc;

    next_fixed(g, &subject, sizeof subject);
    next_fixed(g, want, sizeof want);
    if (succession) {
        CHECK_OK(ph_succession_make(key, &subject, sig, &g->err), &g->err);
        h.succeeds = *public_key;
        h.replica = subject;
        memcpy(h.succeeds_sig, want, sizeof want);
        rc = ph_succession_check(&h, &g->err);
    } else {
        CHECK_OK(ph_signature_make(key, &subject, sig, &g->err), &g->err);
        rc = ph_signature_check(public_key, &subject, want, &g->err);
    }
    is_good(g, rc, ph_slice(sig, sizeof sig), ph_slice(want, sizeof want));
}

TEST(signatures_of_format_1)
{
    ph_keypair *key = NULL;
    ph_id public_key, want;
    uint8_t seed[32];
    golden g;

    golden_open(&g, "signatures.txt");
    for (const char *what; (what = golden_next(&g));) {
        if (strcmp(what, "key") == 0) {
            next_fixed(&g, seed, sizeof seed);
            next_fixed(&g, &want, sizeof want);
            ph_keypair_free(key);
            REQUIRE_OK(ph_keypair_from_seed(seed, &key, &g.err), &g.err);
            ph_keypair_public(key, public_key.b);
            CHECK_MEM(public_key.b, want.b, sizeof want.b);
            continue;
        }
        REQUIRE(key != NULL);
        check_signature(&g, key, &public_key, strcmp(what, "succession") == 0);
    }
    ph_keypair_free(key);
    golden_close(&g);
}
