/* The format against an independent implementation (cbor2_proof.py), in both directions: what the
 * engine writes is what cbor2 makes of the same description, and what cbor2 makes is read and
 * written alike here, or refused where it is not canonical. */
#include "random_changeset.h"
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VALUES = 2000, CHANGESETS = 1000 };

extern char **environ;

static void run_python(char *const argv[])
{
    pid_t pid;
    int status = 0;

    fflush(NULL);
    REQUIRE(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) != 3,
              "python3-cbor2 is missing: the format is not proven");
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cbor2_proof.py %s failed", argv[2]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        test_stop();
}

static char *writable(const char *s)
{
    return (char *)(uintptr_t)s; /* posix_spawn takes char *, and writes nothing */
}

static void print_hex(FILE *f, const char *before, prophet_slice bytes)
{
    const uint8_t *p = bytes.data;

    fputs(before, f);
    for (size_t i = 0; i < bytes.len; i++)
        fprintf(f, "%02x", p[i]);
    fputc('"', f);
}

/* ---- what the engine writes ------------------------------------------------------------------ */

static void dump_value(FILE *f)
{
    drawn d = { 0 };
    prophet_slice value = draw_value(&d);

    fprintf(f, "{\"value\":%.*s", (int)d.json.len, (const char *)d.json.data);
    print_hex(f, ",\"bytes\":\"", value);
    fputs("}\n", f);
    drawn_clear(&d);
}

static void dump_changeset(FILE *f, drawn *d, const ph_changeset *last, ph_hasher *hasher)
{
    ph_frame_context ctx = { 0 }, bare_ctx;
    ph_buf header = PH_BUF_INIT, frame = PH_BUF_INIT, bare = PH_BUF_INIT;
    ph_changeset without;

    draw_changeset(d, last, hasher);
    if (last)
        ctx = (ph_frame_context){ true, last->header.replica, last->id, last->header.seq };
    bare_ctx = ctx;
    without = d->set;
    without.body_bytes.len = 0;
    ph_header_encode(&d->set.header, &header);
    ph_frame_encode(&d->set, &ctx, &frame);
    ph_frame_encode(&without, &bare_ctx, &bare);
    fprintf(f, "{\"changeset\":%.*s,\"goes_on\":%s", (int)d->json.len, (const char *)d->json.data,
            last ? "true" : "false");
    print_hex(f, ",\"body\":\"", d->set.body_bytes);
    print_hex(f, ",\"header\":\"", ph_buf_slice(&header));
    print_hex(f, ",\"id\":\"", ph_slice(d->set.id.b, 32));
    print_hex(f, ",\"frame\":\"", ph_buf_slice(&frame));
    print_hex(f, ",\"bare\":\"", ph_buf_slice(&bare));
    fputs("}\n", f);
    ph_buf_clear(&header);
    ph_buf_clear(&frame);
    ph_buf_clear(&bare);
}

TEST(what_the_engine_writes_is_what_cbor2_makes)
{
    const char *path = test_path("engine.jsonl");
    ph_hasher *hasher = NULL;
    FILE *f = fopen(path, "w");
    drawn d[2];
    const ph_changeset *last = NULL;

    memset(d, 0, sizeof d);
    REQUIRE(f && ph_hasher_new(&hasher, NULL) >= 0);
    for (int i = 0; i < VALUES; i++)
        dump_value(f);
    for (int i = 0; i < CHANGESETS; i++) {
        drawn_clear(&d[i & 1]);
        dump_changeset(f, &d[i & 1], last, hasher);
        last = test_below(3) && d[i & 1].set.header.seq < INT64_MAX ? &d[i & 1].set : NULL;
    }
    REQUIRE(fclose(f) == 0);
    drawn_clear(&d[0]);
    drawn_clear(&d[1]);
    ph_hasher_free(hasher);
    run_python((char *[]){ writable("/usr/bin/python3"),
                           writable(test_source("tests/golden/cbor2_proof.py")), writable("check"),
                           writable(path), NULL });
}

/* ---- what cbor2 makes ------------------------------------------------------------------------ */

typedef struct reader {
    ph_hasher *hasher;
    ph_keypair *key;
    ph_arena arena;
    ph_buf scratch;
    unsigned accepted, refused;
} reader;

/* The next word of the line, as bytes. */
static prophet_slice next_bytes(reader *r, char **save)
{
    char *word = strtok_r(NULL, " \n", save);
    size_t len = word ? strlen(word) : 0;
    uint8_t *bytes = ph_arena_alloc(&r->arena, len / 2 + 1);

    REQUIRE(word && bytes && ph_unhex(word, len, bytes, len / 2));
    return ph_slice(bytes, len / 2);
}

static size_t next_number(char **save)
{
    char *word = strtok_r(NULL, " \n", save);

    REQUIRE(word != NULL);
    return strtoul(word, NULL, 10);
}

static void check_refused(reader *r, char **save)
{
    char *what = strtok_r(NULL, " \n", save);
    prophet_code rc;
    prophet_error err;
    ph_header h;
    ph_body b;

    REQUIRE(what != NULL);
    if (strcmp(what, "value") == 0) {
        rc = ph_value_check(next_bytes(r, save), 0, &err);
    } else if (strcmp(what, "header") == 0) {
        rc = ph_header_decode(next_bytes(r, save), &r->arena, &h, &err);
    } else {
        size_t names = next_number(save);
        rc = ph_body_decode(next_bytes(r, save), names, &r->arena, &b, &err);
    }
    CHECK_CODE(rc, PROPHET_ECORRUPT, &err);
    r->refused++;
}

static void check_frame(reader *r, const ph_header *h, prophet_slice frame, bool goes_on,
                        const ph_id *id)
{
    ph_frame_context ctx = { 0 }, again;
    ph_buf out = PH_BUF_INIT;
    ph_changeset cs;
    prophet_error err;

    if (goes_on)
        ctx = (ph_frame_context){ true, h->replica, h->prev, h->seq - 1 };
    again = ctx;
    REQUIRE_OK(ph_frame_decode(frame, &h->database, true, r->hasher, &r->scratch, &ctx, &r->arena,
                               &cs, &err),
               &err);
    CHECK(ph_id_eq(&cs.id, id));
    ph_frame_encode(&cs, &again, &out);
    CHECK_SLICE(ph_buf_slice(&out), frame.data, frame.len);
    ph_buf_clear(&out);
}

static void check_signed(reader *r, const ph_id *id, prophet_slice message)
{
    uint8_t theirs[64], ours[64];
    prophet_error err;

    CHECK_OK(ph_keypair_sign(r->key, message, theirs, &err), &err);
    CHECK_OK(ph_signature_make(r->key, id, ours, &err), &err);
    CHECK_MEM(ours, theirs, sizeof ours);
}

static void check_changeset(reader *r, char **save)
{
    size_t names = next_number(save);
    prophet_slice header = next_bytes(r, save), body = next_bytes(r, save);
    prophet_slice id = next_bytes(r, save), message = next_bytes(r, save);
    bool goes_on = next_number(save) == 1;
    ph_buf out = PH_BUF_INIT;
    prophet_error err;
    ph_header h;
    ph_body b;
    ph_id mine;

    REQUIRE_OK(ph_header_decode(header, &r->arena, &h, &err), &err);
    CHECK_EQ_UINT(ph_changeset_names(&h), names);
    CHECK_OK(ph_header_id(r->hasher, &h, &out, &mine, &err), &err); /* leaves the header's bytes */
    CHECK_SLICE(ph_buf_slice(&out), header.data, header.len);
    CHECK_SLICE(id, mine.b, sizeof mine.b);
    REQUIRE_OK(ph_body_decode(body, names, &r->arena, &b, &err), &err);
    ph_buf_reset(&out);
    CHECK_OK(ph_body_encode(&b, names, &out, &err), &err);
    CHECK_SLICE(ph_buf_slice(&out), body.data, body.len);
    check_frame(r, &h, next_bytes(r, save), goes_on, &mine);
    if (r->accepted % 16 == 0) /* signing is slow */
        check_signed(r, &mine, message);
    ph_buf_clear(&out);
    r->accepted++;
}

static void check_line(reader *r, char *line)
{
    char *save = NULL, *what = strtok_r(line, " \n", &save);
    prophet_error err;

    REQUIRE(what != NULL);
    if (strcmp(what, "refused") == 0) {
        check_refused(r, &save);
    } else if (strcmp(what, "value") == 0) {
        CHECK_OK(ph_value_check(next_bytes(r, &save), 0, &err), &err);
        r->accepted++;
    } else {
        check_changeset(r, &save);
    }
    ph_arena_reset(&r->arena);
}

TEST(what_cbor2_makes_is_read_and_written_alike)
{
    const char *path = test_path("cbor2.txt");
    static const uint8_t seed[32] = { 4, 2 };
    char number[24], *line = NULL;
    size_t room = 0, lines = 0;
    reader r = { 0 };

    REQUIRE(ph_hasher_new(&r.hasher, NULL) >= 0 && ph_keypair_from_seed(seed, &r.key, NULL) >= 0);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)test_seed());
    run_python((char *[]){ writable("/usr/bin/python3"),
                           writable(test_source("tests/golden/cbor2_proof.py")), writable("make"),
                           number, writable("1000"), writable(path), NULL });
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL);
    while (getline(&line, &room, f) > 0) {
        test_context("reading line %zu of what cbor2 made", ++lines);
        check_line(&r, line);
    }
    test_context(NULL);
    CHECK(r.accepted == 2000 && r.refused > 2000);
    fclose(f);
    free(line);
    ph_buf_clear(&r.scratch);
    ph_arena_clear(&r.arena);
    ph_keypair_free(r.key);
    ph_hasher_free(r.hasher);
}
