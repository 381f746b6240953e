/* What the simulator found, each once and small. */
#include "replica/replica.h"
#include "support/test.h"

static prophet_error err;
static ph_arena arena; /* emptied by each test */

static prophet_slice taken(ph_buf *b)
{
    prophet_slice out = ph_arena_copy(&arena, ph_buf_slice(b), NULL);
    ph_buf_clear(b);
    return out;
}

static prophet_slice text(const char *s)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_text(&b, ph_slice_str(s));
    return taken(&b);
}

static prophet_slice number(int64_t n)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_int(&b, n);
    return taken(&b);
}

static ph_edit set(const char *field, prophet_slice value)
{
    return (ph_edit){ PH_E_SET, ph_slice_str(field), value };
}

static void put_field(ph_buf *b, const char *name, const char *kind, bool index)
{
    ph_put_map(b, index ? 3 : 2);
    ph_put_text(b, ph_slice_str("kind")), ph_put_text(b, ph_slice_str(kind));
    ph_put_text(b, ph_slice_str("name")), ph_put_text(b, ph_slice_str(name));
    if (index)
        ph_put_text(b, ph_slice_str("index")), ph_put_bool(b, true);
}

/* Every type: name (the natural key when asked for), status with an index, tags. */
static void define(ph_change_txn *c, const char *type, bool natural)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_map(&b, natural ? 3 : 2);
    if (natural) {
        ph_put_text(&b, ph_slice_str("key")), ph_put_list(&b, 1);
        ph_put_text(&b, ph_slice_str("name"));
    }
    ph_put_text(&b, ph_slice_str("name")), ph_put_text(&b, ph_slice_str(type));
    ph_put_text(&b, ph_slice_str("fields")), ph_put_list(&b, 3);
    put_field(&b, "name", "string", false);
    put_field(&b, "status", "string", true);
    put_field(&b, "tags", "set", false);
    REQUIRE_OK(ph_change_define(c, taken(&b), &err), &err);
}

static ph_change_txn *begin(ph_replica *r)
{
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(r, ph_slice(NULL, 0), &c, &err), &err);
    return c;
}

static void commit(ph_change_txn *c)
{
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
}

static ph_replica *open_at(const char *name, const ph_uuid *database)
{
    ph_replica *r;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(ph_replica_create(path, database, &err), &err);
    REQUIRE_OK(ph_replica_open(path, NULL, &r, &err), &err);
    return r;
}

static ph_replica *fresh(void)
{
    ph_arena_clear(&arena);
    ph_replica *r = open_at("one", NULL);
    ph_change_txn *c = begin(r);
    define(c, "ticket", false);
    define(c, "alias", true);
    commit(c);
    return r;
}

static prophet_code take(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *id,
                         prophet_error *e)
{
    static ph_frame_context stream;
    (void)id;
    if (!frame.data) {
        stream.has_last = false;
        return PROPHET_OK;
    }
    return ph_intake_frame(ctx, type, frame, &stream, e);
}

static void pull(ph_replica *to, ph_replica *from)
{
    ph_intake *in;
    ph_view *v;
    ph_intake_report rep;
    REQUIRE_OK(ph_replica_sign(from, &err), &err);
    REQUIRE_OK(ph_intake_begin(to, &in, &err), &err);
    REQUIRE_OK(ph_view_begin(from, &v, &err), &err);
    (void)take(NULL, PH_FRAME_CHANGESET, ph_slice(NULL, 0), NULL, NULL);
    REQUIRE_OK(ph_view_stream(v, NULL, 0, true, take, in, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_intake_finish(in, &rep, &err), &err);
    ph_intake_free(in);
}

static ph_replica *clone_of(ph_replica *r, const char *name)
{
    ph_replica *to = open_at(name, ph_replica_database(r));
    pull(to, r);
    return to;
}

static ph_uuid make(ph_replica *r, const char *type, const ph_edit *edits, size_t count)
{
    ph_named named;
    ph_change_txn *c = begin(r);
    REQUIRE_OK(ph_change_create(c, ph_slice_str(type), NULL, edits, count, &named, &err), &err);
    commit(c);
    return named.uuid;
}

static void update(ph_replica *r, const char *type, const ph_uuid *id, ph_edit e)
{
    ph_change_txn *c = begin(r);
    REQUIRE_OK(ph_change_update(c, ph_slice_str(type), id, &e, 1, &err), &err);
    commit(c);
}

static prophet_slice shown_in(ph_view *v, const char *type, const ph_uuid *id, const char *field)
{
    ph_row row;
    ph_shown f;
    REQUIRE_OK(ph_view_row(v, ph_names_find(v->names, ph_slice_str(type)), id, &row, &err), &err);
    REQUIRE_OK(
        ph_row_field(v->txn, &row, ph_names_find(v->names, ph_slice_str(field)), &arena, &f, &err),
        &err);
    return ph_arena_copy(&arena, f.value, NULL);
}

static bool lives(ph_replica *r, const char *type, const ph_uuid *id)
{
    ph_row row;
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_row(v, ph_names_find(v->names, ph_slice_str(type)), id, &row, &err), &err);
    bool alive = row.alive;
    ph_view_end(v);
    return alive;
}

static void say(void *ctx, bool fault, const char *line)
{
    (void)ctx;
    if (fault)
        fprintf(stderr, "  check: %s\n", line);
}

static void check_clean(ph_replica *r)
{
    ph_check_report rep;
    REQUIRE_OK(ph_replica_check(r, say, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.faults, 0);
}

TEST(removing_what_a_set_has_not_leaves_the_row_whole)
{
    ph_replica *r = fresh();
    ph_edit tag = { PH_E_ADD, ph_slice_str("tags"), text("ui") };
    ph_uuid id = make(r, "ticket", &tag, 1);
    ph_edit edits[] = { { PH_E_REMOVE, ph_slice_str("tags"), text("net") },
                        set("status", text("open")) };
    ph_change_txn *c = begin(r);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &id, edits, 2, &err), &err);
    commit(c);
    update(r, "ticket", &id, set("status", text("closed")));
    check_clean(r);
    ph_replica_close(r);
}

TEST(a_change_reads_what_it_wrote_over_a_conflict)
{
    ph_replica *ann = fresh();
    ph_edit e = set("status", text("new"));
    ph_uuid id = make(ann, "ticket", &e, 1);
    ph_replica *bob = clone_of(ann, "bob");
    update(ann, "ticket", &id, set("status", text("open")));
    update(bob, "ticket", &id, set("status", text("closed")));
    pull(ann, bob);
    ph_view *v;
    ph_change_txn *c = begin(ann);
    e = set("status", text("stalled"));
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &id, &e, 1, &err), &err);
    REQUIRE_OK(ph_change_view(c, &v, &err), &err);
    CHECK(ph_slice_eq(shown_in(v, "ticket", &id, "status"), text("stalled")));
    REQUIRE_OK(ph_change_savepoint(c, &err), &err);
    REQUIRE_OK(ph_change_release(c, &err), &err);
    commit(c);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
}

TEST(numbers_stay_when_the_index_is_built_anew)
{
    ph_replica *r = fresh();
    ph_change_txn *c = begin(r);
    char name[8];
    for (int i = 0; i < 12; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        ph_edit e = set("name", text(name));
        REQUIRE_OK(
            ph_change_create(c, ph_slice_str(i % 3 ? "alias" : "ticket"), NULL, &e, 1, NULL, &err),
            &err);
    }
    commit(c);
    check_clean(r);
    ph_replica_close(r);
}

TEST(life_of_reserved_records_is_what_was_written_last)
{
    ph_replica *ann = fresh();
    ph_edit e[] = { set("replica", text("00")), set("weight", number(1)) };
    ph_uuid id = make(ann, "_voter", e, 2);
    ph_replica *bob = clone_of(ann, "bob");
    update(ann, "_voter", &id, set("weight", number(2)));
    for (int i = 0; i < 3; i++) /* bob's lamport is above */
        (void)make(bob, "ticket", NULL, 0);
    ph_change_txn *c = begin(bob);
    REQUIRE_OK(ph_change_delete(c, ph_slice_str("_voter"), &id, &err), &err);
    commit(c);
    pull(ann, bob);
    pull(bob, ann);
    CHECK(!lives(ann, "_voter", &id));
    CHECK(!lives(bob, "_voter", &id));
    ph_replica_close(ann);
    ph_replica_close(bob);
}

TEST(a_definition_is_known_by_its_id_whatever_its_name_says)
{
    ph_replica *r = fresh();
    ph_view *v;
    ph_cursor *cur;
    prophet_slice k, val;
    ph_uuid id;
    ph_edit e = set("status", text("new"));
    (void)make(r, "ticket", &e, 1);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    ph_buf key = PH_BUF_INIT;
    ph_hasher *h;
    ph_put_list(&key, 1), ph_put_text(&key, ph_slice_str("ticket"));
    REQUIRE_OK(ph_hasher_new(&h, &err), &err);
    REQUIRE_OK(ph_uuid_v5(h, ph_replica_database(r), ph_slice_str("_type"), taken(&key), &id, &err),
               &err);
    ph_hasher_free(h);
    ph_view_end(v);
    ph_edit edits[] = { set("name", text("zzz")),
                        { PH_E_UNSET, ph_slice_str("index.status"), { NULL, 0 } } };
    ph_change_txn *c = begin(r);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("_type"), &id, edits, 2, &err), &err);
    commit(c);
    check_clean(r); /* the index of ticket.status is gone, here and when built anew */
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint32_t index = ph_names_find(v->names, ph_slice_str("ticket/status"));
    uint8_t at[4];
    ph_u32be_put(at, index);
    REQUIRE_OK(ph_cursor_open(v->txn, PH_T_IX, &cur, &err), &err);
    prophet_code rc = ph_cursor_seek(cur, ph_slice(at, 4), &k, &val, &err);
    CHECK(index && (rc == PROPHET_DONE || memcmp(k.data, at, 4) != 0));
    ph_cursor_close(cur);
    ph_view_end(v);
    ph_replica_close(r);
}

TEST(many_heads_of_life_are_written_over_at_once)
{
    ph_replica *ann = fresh();
    ph_edit e = set("status", text("new"));
    ph_uuid id = make(ann, "ticket", &e, 1);
    ph_replica *all[17];
    char name[8];
    for (size_t i = 0; i < 17; i++) {
        (void)snprintf(name, sizeof name, "r%zu", i);
        all[i] = clone_of(ann, name);
        update(all[i], "ticket", &id, set("status", text(name)));
    }
    for (size_t i = 0; i < 17; i++) {
        pull(ann, all[i]);
        ph_replica_close(all[i]);
    }
    ph_change_txn *c = begin(ann);
    REQUIRE_OK(ph_change_delete(c, ph_slice_str("ticket"), &id, &err), &err);
    commit(c);
    CHECK(!lives(ann, "ticket", &id));
    check_clean(ann);
    ph_replica_close(ann);
}

TEST(a_change_reads_the_last_of_its_long_texts)
{
    char long_text[3000];
    ph_replica *r = fresh();
    ph_edit e = set("status", text("new"));
    ph_uuid id = make(r, "ticket", &e, 1);
    ph_change_txn *c = begin(r);
    for (char letter = 'a'; letter < 'd'; letter++) {
        ph_view *v;
        memset(long_text, letter, sizeof long_text - 1);
        long_text[sizeof long_text - 1] = 0;
        e = set("status", text(long_text));
        REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &id, &e, 1, &err), &err);
        REQUIRE_OK(ph_change_view(c, &v, &err), &err);
        CHECK(ph_slice_eq(shown_in(v, "ticket", &id, "status"), e.value));
    }
    commit(c);
    check_clean(r);
    ph_replica_close(r);
}

TEST(a_vote_taken_back_leaves_the_one_before_it)
{
    ph_replica *ann = fresh();
    ph_edit e = set("status", text("new"));
    ph_uuid id = make(ann, "ticket", &e, 1);
    ph_replica *bob = clone_of(ann, "bob");
    update(ann, "ticket", &id, set("status", text("open")));
    update(bob, "ticket", &id, set("status", text("closed")));
    pull(ann, bob);
    for (int release = 0; release < 2; release++) {
        ph_view *v;
        ph_vote_cast vote = { .type = ph_slice_str("ticket"),
                              .field = ph_slice_str("status"),
                              .record = id,
                              .choice = text("open") };
        ph_change_txn *c = begin(ann);
        REQUIRE_OK(ph_change_vote(c, &vote, &err), &err);
        REQUIRE_OK(ph_change_savepoint(c, &err), &err);
        vote.choice = text("closed");
        REQUIRE_OK(ph_change_vote(c, &vote, &err), &err);
        REQUIRE_OK(release ? ph_change_release(c, &err) : ph_change_rollback(c, &err), &err);
        commit(c);
        REQUIRE_OK(ph_view_begin(ann, &v, &err), &err);
        CHECK(ph_slice_eq(shown_in(v, "ticket", &id, "status"), text(release ? "closed" : "open")));
        ph_view_end(v);
    }
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static prophet_code first_value(void *ctx, ph_view *v, const ph_conflict *c, ph_arena *a,
                                ph_policy_answer *out, prophet_error *e)
{
    (void)v, (void)a, (void)e;
    ++*(int *)ctx;
    CHECK(!ph_type_reserved(c->type));
    return out->cast = false, PROPHET_OK;
}

static int ask(ph_replica *r, uint8_t resolvers)
{
    uint8_t names[32];
    int asked = 0;
    ph_ask_report rep;
    memset(names, resolvers, sizeof names);
    REQUIRE_OK(ph_replica_ask(r, names, false, first_value, &asked, &rep, &err), &err);
    return asked;
}

TEST(asking_on_a_replica_that_never_wrote_leaves_its_index_as_the_log_says)
{
    ph_replica *ann = fresh();
    ph_replica *bob = clone_of(ann, "bob");
    CHECK_EQ_INT(ask(bob, 1), 0);
    check_clean(bob);
    ph_replica_close(ann);
    ph_replica_close(bob);
}

TEST(a_question_that_comes_back_is_put_to_resolvers_that_are_new)
{
    ph_replica *ann = fresh();
    ph_edit e = set("status", text("new"));
    ph_uuid id = make(ann, "ticket", &e, 1);
    ph_replica *bob = clone_of(ann, "bob");
    for (int round = 0; round < 2; round++) {
        update(ann, "ticket", &id, set("status", text("open")));
        update(bob, "ticket", &id, set("status", text("closed")));
        pull(ann, bob);
        CHECK_EQ_INT(ask(ann, round ? 2 : 1), 1);
        CHECK_EQ_INT(ask(ann, round ? 2 : 1), 0);
        update(ann, "ticket", &id, set("status", text("new")));
        CHECK_EQ_INT(ask(ann, 2), 0); /* nothing is open */
        pull(bob, ann);
    }
    update(ann, "ticket", &id, set("status", text("open")));
    update(bob, "ticket", &id, set("status", text("closed")));
    pull(ann, bob);
    CHECK_EQ_INT(ask(ann, 1), 0);
    CHECK_EQ_INT(ask(ann, 2), 0);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&arena);
}
