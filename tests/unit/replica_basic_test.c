/* A replica from end to end: create, write, read, close, open, rebuild, check; two replicas that exchange and disagree. */
#include "replica/replica.h"
#include "support/test.h"
#include <sys/wait.h>
#include <unistd.h>

static prophet_error err;

static prophet_slice text(ph_arena *a, const char *s)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_text(&b, ph_slice_str(s));
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static prophet_slice number(ph_arena *a, int64_t n)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_int(&b, n);
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static void put_key(ph_buf *b, const char *k)
{
    ph_put_text(b, ph_slice_str(k));
}

/* {key=.., kind=.., name=..}: keys in canonical order */
static void put_field(ph_buf *b, const char *name, const char *kind, bool index)
{
    ph_put_map(b, index ? 3 : 2);
    put_key(b, "kind"), put_key(b, kind);
    put_key(b, "name"), put_key(b, name);
    if (index)
        put_key(b, "index"), ph_put_bool(b, true);
}

static void define_ticket(ph_change_txn *c)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_map(&b, 2);
    put_key(&b, "name"), put_key(&b, "ticket");
    put_key(&b, "fields"), ph_put_list(&b, 5);
    put_field(&b, "summary", "string", false);
    put_field(&b, "status", "string", true);
    put_field(&b, "severity", "int", true);
    put_field(&b, "tags", "set", true);
    put_field(&b, "votes", "counter", false);
    REQUIRE_OK(ph_change_define(c, ph_buf_slice(&b), &err), &err);
    ph_buf_clear(&b);
}

static ph_replica *fresh(const char *name)
{
    ph_replica *r;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(ph_replica_create(path, NULL, &err), &err);
    REQUIRE_OK(ph_replica_open(path, &(ph_replica_options){ .user = "ann" }, &r, &err), &err);
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(r, ph_slice_str("types"), &c, &err), &err);
    define_ticket(c);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    return r;
}

static ph_replica *again(ph_replica *r)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s", ph_replica_path(r));
    ph_replica_close(r);
    REQUIRE_OK(ph_replica_open(path, NULL, &r, &err), &err);
    return r;
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

static ph_named create(ph_replica *r, ph_arena *a, const char *summary, const char *status)
{
    ph_change_txn *c;
    ph_named named;
    ph_buf tags = PH_BUF_INIT;
    ph_put_list(&tags, 2);
    ph_put_text(&tags, ph_slice_str("ui")), ph_put_text(&tags, ph_slice_str("big"));
    ph_edit edits[] = { { PH_E_SET, ph_slice_str("summary"), text(a, summary) },
                        { PH_E_SET, ph_slice_str("status"), text(a, status) },
                        { PH_E_SET, ph_slice_str("severity"), number(a, 3) },
                        { PH_E_SET, ph_slice_str("tags"), ph_buf_slice(&tags) },
                        { PH_E_INC, ph_slice_str("votes"), number(a, 2) } };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str("new"), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("ticket"), NULL, edits, 5, &named, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&tags);
    return named;
}

static void set_status(ph_replica *r, ph_arena *a, const ph_uuid *id, const char *status)
{
    ph_change_txn *c;
    ph_edit e = { PH_E_SET, ph_slice_str("status"), text(a, status) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str("status"), &c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), id, &e, 1, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
}

static void status_is(ph_replica *r, const ph_uuid *id, const char *want, bool conflict)
{
    ph_view *v;
    ph_row row;
    ph_shown f;
    ph_item item;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_row(v, ph_names_find(v->names, ph_slice_str("ticket")), id, &row, &err),
               &err);
    REQUIRE_OK(ph_row_field(v->txn, &row, ph_names_find(v->names, ph_slice_str("status")),
                            &v->arena, &f, &err),
               &err);
    REQUIRE(ph_value_open(f.value, &item));
    CHECK_SLICE(item.s, want, strlen(want));
    CHECK(f.conflict == conflict);
    ph_view_end(v);
}

static void digest(ph_replica *r, uint8_t out[32])
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_view_digest(v, out, &err), &err);
    ph_view_end(v);
}

TEST(a_record_is_written_and_read_back_after_opening_again)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one");
    ph_named t = create(r, &a, "Crash on save", "new");
    CHECK_EQ_UINT(t.number, 1);
    status_is(r, &t.uuid, "new", false);
    set_status(r, &a, &t.uuid, "open");
    r = again(r);
    status_is(r, &t.uuid, "open", false);
    check_clean(r);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(a_rebuilt_index_is_the_same)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one");
    uint8_t before[32], after[32];
    for (int i = 0; i < 50; i++) {
        ph_named t = create(r, &a, "x", "new");
        set_status(r, &a, &t.uuid, i % 2 ? "open" : "closed");
    }
    digest(r, before);
    check_clean(r);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    check_clean(r);
    digest(r, after);
    CHECK_MEM(before, after, 32);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(nothing_written_is_no_changeset)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one");
    ph_named t = create(r, &a, "x", "new");
    ph_change_txn *c;
    ph_edit e = { PH_E_SET, ph_slice_str("status"), text(&a, "new") };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, &e, 1, &err), &err);
    CHECK_CODE(ph_change_commit(c, NULL, NULL, &err), PROPHET_DONE, &err);
    check_clean(r);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(writing_a_cell_twice_in_a_change_is_one_operation)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one");
    ph_named t = create(r, &a, "x", "new");
    ph_change_txn *c;
    ph_edit e[] = { { PH_E_SET, ph_slice_str("status"), text(&a, "open") },
                    { PH_E_SET, ph_slice_str("status"), text(&a, "closed") },
                    { PH_E_REMOVE, ph_slice_str("tags"), text(&a, "ui") },
                    { PH_E_ADD, ph_slice_str("tags"), text(&a, "ui") },
                    { PH_E_ADD, ph_slice_str("tags"), text(&a, "new") },
                    { PH_E_REMOVE, ph_slice_str("tags"), text(&a, "new") } };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, e, 6, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    status_is(r, &t.uuid, "closed", false);
    check_clean(r);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(a_savepoint_rolled_back_leaves_nothing)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one");
    ph_named t = create(r, &a, "x", "new"), gone;
    ph_change_txn *c;
    ph_edit open = { PH_E_SET, ph_slice_str("status"), text(&a, "open") };
    ph_edit closed = { PH_E_SET, ph_slice_str("status"), text(&a, "closed") };
    ph_edit sum = { PH_E_SET, ph_slice_str("summary"), text(&a, "y") };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, &open, 1, &err), &err);
    REQUIRE_OK(ph_change_savepoint(c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, &closed, 1, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("ticket"), NULL, &sum, 1, &gone, &err), &err);
    REQUIRE_OK(ph_change_rollback(c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, &sum, 1, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    status_is(r, &t.uuid, "open", false);
    ph_named next = create(r, &a, "z", "new");
    CHECK_EQ_UINT(next.number, 2);
    check_clean(r);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

/* ---- two replicas ----------------------------------------------------------------------------------------------- */

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

static ph_intake_report pull(ph_replica *to, ph_replica *from, bool all)
{
    ph_view *v;
    pump p = { 0 };
    ph_intake_report rep;
    uint64_t versions[1000];
    REQUIRE_OK(ph_replica_sign(from, &err), &err);
    REQUIRE_OK(ph_intake_begin(to, &p.in, &err), &err);
    REQUIRE_OK(ph_view_begin(from, &v, &err), &err);
    for (uint64_t i = 0; i < v->state.version; i++)
        versions[i] = i + 1;
    REQUIRE_OK(ph_view_stream(v, versions, v->state.version, all, take, &p, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_intake_finish(p.in, &rep, &err), &err);
    ph_intake_free(p.in);
    return rep;
}

static ph_replica *clone_of(ph_replica *r, const char *name)
{
    ph_replica *to;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    REQUIRE_OK(ph_replica_create(path, ph_replica_database(r), &err), &err);
    REQUIRE_OK(ph_replica_open(path, &(ph_replica_options){ .user = "bob" }, &to, &err), &err);
    ph_intake_report rep = pull(to, r, true);
    CHECK(rep.changesets > 0);
    CHECK_EQ_UINT(rep.unsigned_rest, 0);
    return to;
}

TEST(two_replicas_disagree_vote_and_agree)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob");
    uint8_t d1[32], d2[32];
    set_status(ann, &a, &t.uuid, "open");
    set_status(bob, &a, &t.uuid, "closed");
    ph_intake_report rep = pull(ann, bob, false);
    CHECK_EQ_UINT(rep.changesets, 1);
    CHECK_EQ_UINT(rep.conflicts, 1);
    (void)pull(bob, ann, true);
    digest(ann, d1), digest(bob, d2);
    CHECK_MEM(d1, d2, 32);

    ph_view *v;
    ph_cell_key *keys;
    size_t n;
    ph_conflict c;
    REQUIRE_OK(ph_view_begin(ann, &v, &err), &err);
    REQUIRE_OK(ph_view_conflicts(v, ph_slice_str("ticket"), NULL, 1, &a, &keys, &n, &err), &err);
    REQUIRE(n == 1);
    REQUIRE_OK(ph_view_conflict(v, keys, &a, &c, &err), &err);
    CHECK(c.open && !c.decided);
    CHECK_EQ_INT(c.candidate_count, 2);
    CHECK(c.has_base);
    ph_view_end(v);

    ph_change_txn *ch;
    ph_vote_cast vote = { .type = ph_slice_str("ticket"),
                          .field = ph_slice_str("status"),
                          .record = t.uuid,
                          .choice = text(&a, "open"),
                          .reason = ph_slice_str("because") };
    REQUIRE_OK(ph_change_begin(bob, ph_slice_str("vote"), &ch, &err), &err);
    REQUIRE_OK(ph_change_vote(ch, &vote, &err), &err);
    REQUIRE_OK(ph_change_commit(ch, NULL, NULL, &err), &err);
    status_is(bob, &t.uuid, "open", true);
    (void)pull(ann, bob, false);
    status_is(ann, &t.uuid, "open", true);
    check_clean(ann);
    check_clean(bob);

    REQUIRE_OK(ph_change_begin(ann, ph_slice_str("resolve"), &ch, &err), &err);
    REQUIRE_OK(ph_change_resolve(ch, ph_slice_str("ticket"), &t.uuid, ph_slice_str("status"),
                                 text(&a, "stalled"), &err),
               &err);
    REQUIRE_OK(ph_change_commit(ch, NULL, NULL, &err), &err);
    (void)pull(bob, ann, false);
    status_is(bob, &t.uuid, "stalled", false);
    REQUIRE_OK(ph_view_begin(bob, &v, &err), &err);
    REQUIRE_OK(ph_view_conflicts(v, ph_slice_str("ticket"), NULL, -1, &a, &keys, &n, &err), &err);
    REQUIRE(n == 1);
    REQUIRE_OK(ph_view_conflict(v, keys, &a, &c, &err), &err);
    CHECK(!c.open);
    CHECK_EQ_INT(c.vote_count, 1);
    ph_view_end(v);
    check_clean(bob);
    REQUIRE_OK(ph_replica_rebuild(bob, NULL, NULL, &err), &err);
    check_clean(bob);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

/* A child writes and dies without closing, so that its last changeset is not signed. */
static void write_and_die(const char *path, ph_arena *a, ph_uuid *id)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ph_replica *r;
        if (ph_replica_open(path, NULL, &r, &err) < 0)
            _exit(1);
        ph_named t = create(r, a, "unsigned", "new");
        _exit(write(ends[1], t.uuid.b, 16) == 16 ? 0 : 1);
    }
    int status;
    REQUIRE(read(ends[0], id->b, 16) == 16);
    REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

TEST(a_lost_key_is_replaced_and_its_tail_vouched_for)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one"), *bob;
    char path[4096], key[4200];
    uint8_t d1[32], d2[32];
    ph_uuid id;
    ph_id before = *ph_replica_key(r);
    (void)snprintf(path, sizeof path, "%s", ph_replica_path(r));
    (void)snprintf(key, sizeof key, "%s/replica.key", path);
    bob = clone_of(r, "bob");
    ph_replica_close(r);
    write_and_die(path, &a, &id);
    REQUIRE(unlink(key) == 0);
    REQUIRE_OK(ph_replica_open(path, NULL, &r, &err), &err);
    CHECK(!ph_id_eq(ph_replica_key(r), &before));
    CHECK_HAS(ph_replica_notice(r), "lost");
    ph_intake_report rep = pull(bob, r, false);
    CHECK_EQ_UINT(rep.unsigned_rest, 0);
    CHECK_EQ_UINT(rep.vouched, 1);
    status_is(bob, &id, "new", false);
    digest(r, d1), digest(bob, d2);
    CHECK_MEM(d1, d2, 32);
    check_clean(bob);
    check_clean(r);
    ph_replica_close(bob);
    ph_replica_close(r);
    ph_arena_clear(&a);
}
