/* Frames: a stream of changesets, each leaving out what its reader can compute. */
#include "model_bytes.h"

enum { STREAM = 6 };

static const ph_uuid database = { { 0xdb } };

typedef struct fixture {
    ph_hasher *hasher;
    ph_buf scratch, bodies[STREAM];
    ph_arena arena;
    ph_changeset sets[STREAM];
} fixture;

static ph_changeset *seal(fixture *f, size_t i, uint8_t replica, const ph_changeset *prev)
{
    ph_changeset *cs = &f->sets[i];
    prophet_error err;

    memset(cs, 0, sizeof *cs);
    cs->header.format = PH_FORMAT;
    cs->header.database = database;
    memset(cs->header.replica.b, replica, sizeof cs->header.replica.b);
    cs->header.seq = 1;
    if (prev) {
        cs->header.seq = prev->header.seq + 1;
        cs->header.has_prev = true;
        cs->header.prev = prev->id;
    }
    cs->body.time = (int64_t)i;
    cs->has_body = true;
    REQUIRE_OK(ph_body_encode(&cs->body, ph_changeset_names(&cs->header), &f->bodies[i], &err),
               &err);
    cs->body_bytes = ph_buf_slice(&f->bodies[i]);
    REQUIRE_OK(ph_changeset_seal(f->hasher, cs, &f->scratch, &err), &err);
    return cs;
}

/* 0 1 2 of replica a, 3 of replica b, 4 of a again, 5 on from it. */
static void set_up(fixture *f)
{
    prophet_error err;

    memset(f, 0, sizeof *f);
    REQUIRE_OK(ph_hasher_new(&f->hasher, &err), &err);
    seal(f, 0, 0xaa, NULL);
    seal(f, 1, 0xaa, &f->sets[0]);
    seal(f, 2, 0xaa, &f->sets[1]);
    seal(f, 3, 0xbb, NULL);
    seal(f, 4, 0xaa, &f->sets[2]);
    seal(f, 5, 0xaa, &f->sets[4]);
}

static void tear_down(fixture *f)
{
    for (size_t i = 0; i < STREAM; i++)
        ph_buf_clear(&f->bodies[i]);
    ph_buf_clear(&f->scratch);
    ph_arena_clear(&f->arena);
    ph_hasher_free(f->hasher);
}

static prophet_code decode(fixture *f, prophet_slice frame, ph_frame_context *ctx,
                           ph_changeset *out, prophet_error *err)
{
    memset(err, 0, sizeof *err);
    return ph_frame_decode(frame, &database, true, f->hasher, &f->scratch, ctx, &f->arena, out,
                           err);
}

static void refuses(fixture *f, const char *hex, const ph_frame_context *ctx, const char *reason)
{
    prophet_slice frame = bytes_of(hex);
    ph_frame_context mine = *ctx;
    ph_changeset cs;
    char message[200];
    prophet_error err;

    (void)snprintf(message, sizeof message, "changeset frame: %s", reason);
    CHECK_CODE(decode(f, frame, &mine, &cs, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, message);
    CHECK_MEM(&mine, ctx, sizeof mine);
    done_with(frame);
}

TEST(a_stream_of_frames_comes_back_as_it_was)
{
    static const bool run_goes_on[STREAM] = { false, true, true, false, false, true };
    ph_frame_context writer = { 0 }, reader = { 0 };
    prophet_error err;
    fixture f;

    set_up(&f);
    for (size_t i = 0; i < STREAM; i++) {
        ph_buf frame = PH_BUF_INIT;
        ph_changeset cs;
        ph_frame_encode(&f.sets[i], &writer, &frame);
        CHECK_EQ_INT(frame.data[0], run_goes_on[i]              ? 0xa1
                                    : f.sets[i].header.has_prev ? 0xa4
                                                                : 0xa3);
        REQUIRE_OK(decode(&f, ph_buf_slice(&frame), &reader, &cs, &err), &err);
        CHECK(ph_id_eq(&cs.id, &f.sets[i].id));
        CHECK(cs.has_body);
        CHECK_EQ_INT(cs.body.time, i);
        CHECK_EQ_UINT(cs.header.seq, f.sets[i].header.seq);
        CHECK(ph_id_eq(&cs.header.body, &f.sets[i].header.body));
        CHECK_SLICE(cs.body_bytes, f.bodies[i].data, f.bodies[i].len);
        ph_buf_clear(&frame);
    }
    CHECK(ph_id_eq(&reader.id, &f.sets[STREAM - 1].id) && reader.seq == 5);
    tear_down(&f);
}

TEST(frames_written_in_full_are_read_within_a_run_too)
{
    ph_frame_context none = { 0 }, reader = { 0 };
    prophet_error err;
    fixture f;

    set_up(&f);
    for (size_t i = 0; i < 3; i++) {
        ph_buf frame = PH_BUF_INIT;
        ph_changeset cs;
        memset(&none, 0, sizeof none);
        ph_frame_encode(&f.sets[i], &none, &frame);
        CHECK_OK(decode(&f, ph_buf_slice(&frame), &reader, &cs, &err), &err);
        CHECK(ph_id_eq(&cs.id, &f.sets[i].id));
        ph_buf_clear(&frame);
    }
    tear_down(&f);
}

TEST(a_run_needs_the_frame_before_it)
{
    ph_frame_context ctx = { 0 };
    fixture f;

    set_up(&f);
    refuses(&f, "a1 01 01 a2 " SALT TIME, &ctx,
            "continues a run, but no changeset is before it at byte 0");
    prophet_slice frame = bytes_of("a1 01 01 a2 " SALT TIME);
    ph_changeset cs;
    prophet_error err;
    CHECK_CODE(decode(&f, frame, NULL, &cs, &err), PROPHET_ECORRUPT, &err);
    done_with(frame);
    tear_down(&f);
}

TEST(a_frame_may_carry_the_header_alone)
{
    ph_frame_context writer = { 0 }, reader = { 0 };
    ph_buf frame = PH_BUF_INIT;
    ph_changeset cs, bare;
    prophet_slice body;
    prophet_error err;
    fixture f;

    set_up(&f);
    bare = f.sets[0];
    bare.has_body = false;
    bare.body_bytes = ph_slice(NULL, 0);
    ph_frame_encode(&bare, &writer, &frame);
    CHECK_OK(decode(&f, ph_buf_slice(&frame), &reader, &cs, &err), &err);
    CHECK(ph_id_eq(&cs.id, &bare.id) && !cs.has_body && cs.body_bytes.len == 0);
    CHECK(ph_frame_body(ph_buf_slice(&frame), &body) && body.len == 0);
    ph_buf_byte(&frame, 0xa0); /* and now both: hash and body */
    CHECK_CODE(decode(&f, ph_buf_slice(&frame), &reader, &cs, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message,
                 "changeset frame: body hash is given, which the body tells at byte 0");
    ph_buf_clear(&frame);
    tear_down(&f);
}

TEST(the_body_starts_behind_the_header)
{
    ph_frame_context writer = { 0 };
    ph_buf frame = PH_BUF_INIT;
    prophet_slice body = { NULL, 0 };
    fixture f;

    set_up(&f);
    ph_frame_encode(&f.sets[1], &writer, &frame);
    CHECK(ph_frame_body(ph_buf_slice(&frame), &body));
    CHECK_SLICE(body, f.bodies[1].data, f.bodies[1].len);
    CHECK(!ph_frame_body(ph_slice("\x01", 1), &body));
    CHECK(!ph_frame_body(ph_slice(NULL, 0), &body));
    CHECK(!ph_frame_body(ph_slice(frame.data, 20), &body));
    ph_buf_clear(&frame);
    tear_down(&f);
}

TEST(frames_that_are_not_drawn_so_are_refused)
{
    ph_frame_context ctx = { 0 }, run = { true, { { 1 } }, { { 2 } }, 7 };
    ph_frame_context last = { true, { { 1 } }, { { 2 } }, INT64_MAX };
    fixture f;

    set_up(&f);
    refuses(&f, "", &ctx, "bytes end too early at byte 0");
    refuses(&f, "a0 a0", &ctx, "format is missing at byte 0");
    refuses(&f, "a2 01 01 02 50 dddddddddddddddddddddddddddddddd", &run,
            "database is given, which is never written at byte 0");
    refuses(&f, "a1 01 01", &run, "body hash is missing at byte 0");
    refuses(&f, "a2 01 01 04 08 a0", &run, "replica is missing at byte 0");
    refuses(&f, "a2 01 01 03 5820" A32("11") "a0", &run, "sequence number is missing at byte 0");
    refuses(&f, "a3 01 01 03 5820" A32("11") "04 02 a0", &run, "prev is missing at byte 0");
    refuses(&f,
            "a2 01 01 06 81 5820 02"
            "00000000000000000000000000000000000000000000000000000000000000"
            "a0",
            &run, "changeset named twice at byte 0");
    refuses(&f, "a1 01 01 a0", &last, "bad sequence number at byte 0");
    refuses(&f, "a2 01 01 0b 00 a0", &run, "unknown key at byte 3");
    tear_down(&f);
}

TEST(a_bad_body_is_refused_unless_it_is_not_looked_at)
{
    ph_frame_context ctx = { 0 };
    prophet_slice frame = bytes_of("a3 01 01 03 5820" A32("11") "04 01 a0");
    ph_changeset cs;
    prophet_error err;
    fixture f;

    set_up(&f);
    CHECK_CODE(decode(&f, frame, &ctx, &cs, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, "changeset body: salt is missing at byte 0");
    CHECK(!ctx.has_last);
    CHECK_OK(
        ph_frame_decode(frame, &database, false, f.hasher, &f.scratch, &ctx, &f.arena, &cs, &err),
        &err);
    CHECK(ctx.has_last && cs.has_body && cs.body_bytes.len == 1 && cs.body.change_count == 0);
    done_with(frame);
    tear_down(&f);
}

TEST(a_later_format_is_parked_with_its_body)
{
    ph_frame_context ctx = { 0 }, none = { 0 };
    prophet_slice frame = bytes_of("a4 01 02 03 5820" A32("11") "04 01 18 63 f6 ff00ff");
    ph_buf again = PH_BUF_INIT;
    ph_changeset cs;
    prophet_error err;
    fixture f;

    set_up(&f);
    REQUIRE_OK(decode(&f, frame, &ctx, &cs, &err), &err);
    CHECK(!cs.has_body);
    CHECK_SLICE(cs.body_bytes, "\xff\x00\xff", 3);
    ph_frame_encode(&cs, &none, &again);
    CHECK_SLICE(ph_buf_slice(&again), frame.data, frame.len);
    CHECK(ph_id_eq(&none.id, &ctx.id));
    ph_buf_clear(&again);
    done_with(frame);
    tear_down(&f);
}

TEST(header_and_body_have_eight_mebibytes_together)
{
    ph_frame_context ctx = { true, { { 1 } }, { { 2 } }, 7 };
    ph_buf frame = PH_BUF_INIT;
    ph_changeset cs;
    prophet_error err;
    fixture f;

    set_up(&f);
    ph_buf_put(&frame, "\xa1\x01\x01", 3);
    while (frame.len < PH_CHANGESET_MAX)
        ph_buf_byte(&frame, 0xa0);
    CHECK_CODE(decode(&f, ph_buf_slice(&frame), &ctx, &cs, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, "changeset frame: header and body are longer than 8 MiB");
    ph_buf_byte(&frame, 0xa0);
    CHECK_CODE(decode(&f, ph_buf_slice(&frame), &ctx, &cs, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_STR(err.message, "changeset frame: longer than 8 MiB at byte 8388608");
    ph_buf_clear(&frame);
    tear_down(&f);
}
