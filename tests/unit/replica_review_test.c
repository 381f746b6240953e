/* What a review of engine/replica found, each as small as it gets. */
#include "replica/replica.h"
#include "support/test.h"
#include <stdlib.h>
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

/* ---- two replicas ---- */

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

static ph_replica *second_handle(ph_replica *r)
{
    ph_replica *to;
    REQUIRE_OK(ph_replica_open(ph_replica_path(r), NULL, &to, &err), &err);
    return to;
}

static ph_uuid id_of_type(ph_replica *r, prophet_slice name)
{
    ph_hasher *h;
    ph_uuid id;
    ph_buf key = PH_BUF_INIT;
    ph_put_list(&key, 1), ph_put_text(&key, name);
    REQUIRE_OK(ph_hasher_new(&h, &err), &err);
    REQUIRE_OK(
        ph_uuid_v5(h, ph_replica_database(r), ph_slice_str("_type"), ph_buf_slice(&key), &id, &err),
        &err);
    ph_hasher_free(h);
    ph_buf_clear(&key);
    return id;
}

static prophet_slice list_of(ph_arena *a, const char *s)
{
    ph_buf b = PH_BUF_INIT;
    ph_put_list(&b, 1), ph_put_text(&b, ph_slice_str(s));
    prophet_slice out = ph_arena_copy(a, ph_buf_slice(&b), NULL);
    ph_buf_clear(&b);
    return out;
}

static void set_in_type(ph_replica *r, const char *field, prophet_slice value, bool look)
{
    ph_change_txn *c;
    ph_view *v;
    ph_uuid id = id_of_type(r, ph_slice_str("ticket"));
    ph_edit e = { PH_E_SET, ph_slice_str(field), value };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_update(c, ph_slice_str("_type"), &id, &e, 1, &err), &err);
    if (look)
        REQUIRE_OK(ph_change_view(c, &v, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
}

TEST(a_type_with_a_name_that_is_none_defines_nothing)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one"), *bob;
    static char name[5000];
    memset(name, 'a', sizeof name - 1);
    ph_uuid id = id_of_type(r, ph_slice_str(name));
    ph_edit e[] = { { PH_E_SET, ph_slice_str("name"), text(&a, name) },
                    { PH_E_SET, ph_slice_str("kind.x"), text(&a, "string") } };
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_type"), &id, e, 2, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    bob = clone_of(r, "bob");
    check_clean(r);
    check_clean(bob);
    ph_replica_close(bob);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(long_and_absurd_index_specs_do_no_harm)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one"), *bob;
    (void)create(r, &a, "x", "new");
    set_in_type(r, "indexes", list_of(&a, "status,-severity"), false);
    check_clean(r);
    set_in_type(r, "indexes",
                list_of(&a, "status,severity,summary,a_field_with_a_long_name_that_is_not_there,"
                            "another_field_with_a_long_name_that_is_not_there"),
                false);
    (void)create(r, &a, "y", "new");
    check_clean(r);
    static char many[4000];
    for (size_t i = 0; i < sizeof many - 1; i++)
        many[i] = i % 2 ? ',' : 'a';
    set_in_type(r, "indexes", list_of(&a, many), true);
    set_in_type(r, "indexes", list_of(&a, ",-,,"), false);
    (void)create(r, &a, "z", "new");
    bob = clone_of(r, "bob");
    check_clean(r);
    check_clean(bob);
    ph_replica_close(bob);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(names_of_a_change_that_ended_are_forgotten_after_a_rollback_too)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *r = fresh("one"), *other = second_handle(r);
    ph_edit f1 = { PH_E_SET, ph_slice_str("f1"), text(&a, "1") };
    ph_edit f2 = { PH_E_SET, ph_slice_str("f2"), text(&a, "2") };
    ph_change_txn *c;
    ph_view *v;
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_x1"), NULL, &f1, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_savepoint(c, &err), &err);
    REQUIRE_OK(ph_change_rollback(c, &err), &err);
    ph_change_abort(c);
    REQUIRE_OK(ph_change_begin(other, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_x2"), NULL, &f2, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    CHECK_EQ_UINT(ph_names_find(v->names, ph_slice_str("_x1")), 0);
    CHECK(ph_names_find(v->names, ph_slice_str("_x2")) != 0);
    CHECK(ph_names_find(v->names, ph_slice_str("f2")) != 0);
    ph_view_end(v);
    ph_replica_close(other);
    ph_replica_close(r);
    ph_arena_clear(&a);
}

TEST(a_rule_changed_and_read_in_one_change_settles_what_is_open)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    set_in_type(ann, "rule.status", text(&a, "max"), false);
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob");
    set_status(ann, &a, &t.uuid, "open");
    set_status(bob, &a, &t.uuid, "closed");
    (void)pull(ann, bob, false);
    status_is(ann, &t.uuid, "open", true);
    set_in_type(ann, "rule.status", text(&a, "min"), true);
    status_is(ann, &t.uuid, "closed", true);
    (void)pull(bob, ann, false);
    status_is(bob, &t.uuid, "closed", true);
    check_clean(ann);
    check_clean(bob);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

TEST(a_weight_set_and_settled_in_one_change)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob");
    set_status(ann, &a, &t.uuid, "open");
    set_status(bob, &a, &t.uuid, "closed");
    (void)pull(ann, bob, false);
    ph_change_txn *c;
    ph_view *v;
    char hex[65];
    ph_vote_cast vote = { .type = ph_slice_str("ticket"),
                          .field = ph_slice_str("status"),
                          .record = t.uuid,
                          .choice = text(&a, "open") };
    REQUIRE_OK(ph_change_begin(ann, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_vote(c, &vote, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_hex(ph_replica_key(ann)->b, 32, hex);
    ph_edit e[] = { { PH_E_SET, ph_slice_str("replica"), text(&a, hex) },
                    { PH_E_SET, ph_slice_str("weight"), number(&a, 5) } };
    ph_uuid id = id_of_type(ann, ph_slice_str("any"));
    for (int round = 0; round < 2; round++) {
        REQUIRE_OK(ph_change_begin(ann, ph_slice_str(""), &c, &err), &err);
        e[1].value = number(&a, 5 + round);
        if (round)
            REQUIRE_OK(ph_change_update(c, ph_slice_str("_voter"), &id, e, 2, &err), &err);
        else
            REQUIRE_OK(ph_change_create(c, ph_slice_str("_voter"), &id, e, 2, NULL, &err), &err);
        REQUIRE_OK(ph_change_view(c, &v, &err), &err);
        REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    }
    status_is(ann, &t.uuid, "open", true);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

TEST(resolving_a_field_of_a_deleted_record_does_not_bring_it_back)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob");
    set_status(ann, &a, &t.uuid, "open");
    set_status(bob, &a, &t.uuid, "closed");
    (void)pull(ann, bob, false);
    ph_change_txn *c;
    REQUIRE_OK(ph_change_begin(ann, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_delete(c, ph_slice_str("ticket"), &t.uuid, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    REQUIRE_OK(ph_change_begin(ann, ph_slice_str(""), &c, &err), &err);
    CHECK(ph_change_resolve(c, ph_slice_str("ticket"), &t.uuid, ph_slice_str("status"),
                            text(&a, "open"), &err) == PROPHET_ENOTFOUND);
    ph_change_abort(c);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

TEST(a_record_in_conflict_about_its_life_is_dead_once_it_is_deleted)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob");
    ph_change_txn *c;
    ph_edit e = { PH_E_SET, ph_slice_str("status"), text(&a, "late") };
    set_status(ann, &a, &t.uuid, "open");
    REQUIRE_OK(ph_change_begin(bob, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_delete(c, ph_slice_str("ticket"), &t.uuid, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    (void)pull(ann, bob, false);
    REQUIRE_OK(ph_change_begin(ann, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_delete(c, ph_slice_str("ticket"), &t.uuid, &err), &err);
    CHECK(ph_change_update(c, ph_slice_str("ticket"), &t.uuid, &e, 1, &err) == PROPHET_ENOTFOUND);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    status_is(ann, &t.uuid, "open", false);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

TEST(what_another_handle_writes_after_the_key_changed_reaches_others)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_replica *bob = clone_of(ann, "bob"), *copy;
    char path[4096], to[4096], command[9000];
    (void)snprintf(path, sizeof path, "%s", ph_replica_path(ann));
    (void)snprintf(to, sizeof to, "%s/copy", test_dir());
    (void)snprintf(command, sizeof command, "cp -r '%s' '%s'", path, to);
    ph_replica_close(ann);
    REQUIRE(system(command) == 0);
    REQUIRE_OK(ph_replica_adopt(to, &err), &err); /* a copy nobody notices */
    REQUIRE_OK(ph_replica_open(path, NULL, &ann, &err), &err);
    REQUIRE_OK(ph_replica_open(to, NULL, &copy, &err), &err);
    ph_replica *other = second_handle(ann);
    ph_id before = *ph_replica_key(ann);
    (void)create(copy, &a, "there", "new");
    (void)create(other, &a, "here", "new");
    ph_intake_report rep = pull(ann, copy, false);
    CHECK(rep.own_chain);
    CHECK(!ph_id_eq(ph_replica_key(ann), &before));
    ph_named late = create(other, &a, "late", "new");
    CHECK(ph_id_eq(ph_replica_key(other), ph_replica_key(ann)));
    rep = pull(bob, ann, false);
    CHECK_EQ_UINT(rep.unsigned_rest, 0);
    CHECK_EQ_UINT(rep.held_back, 0);
    status_is(bob, &late.uuid, "new", false);
    ph_replica_close(other);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(copy);
    ph_replica_close(bob);
    ph_arena_clear(&a);
}

typedef struct meddler {
    ph_replica *other, *third;
    unsigned calls;
    size_t candidates;
} meddler;

/* While the resolver thinks, a third value arrives. */
static prophet_code think(void *ctx, ph_view *v, const ph_conflict *c, ph_arena *a,
                          ph_policy_answer *out, prophet_error *e)
{
    meddler *m = ctx;
    (void)v, (void)e;
    if (m->calls++ == 0)
        (void)pull(m->other, m->third, false);
    m->candidates = c->candidate_count;
    out->cast = true;
    out->choice = text(a, "open");
    (void)snprintf(out->resolver, sizeof out->resolver, "test");
    return PROPHET_OK;
}

TEST(a_value_that_arrives_while_a_resolver_thinks_is_asked_about)
{
    ph_arena a = PH_ARENA_INIT;
    ph_replica *ann = fresh("ann");
    ph_named t = create(ann, &a, "x", "new");
    ph_replica *bob = clone_of(ann, "bob"), *eve = clone_of(ann, "eve");
    set_status(ann, &a, &t.uuid, "open");
    set_status(bob, &a, &t.uuid, "closed");
    set_status(eve, &a, &t.uuid, "stalled");
    (void)pull(ann, bob, false);
    ph_replica *other = second_handle(ann);
    meddler m = { other, eve, 0, 0 };
    ph_ask_report rep;
    uint8_t set[32] = { 1 };
    REQUIRE_OK(ph_replica_ask(ann, set, false, think, &m, &rep, &err), &err);
    CHECK_EQ_UINT(m.calls, 1);
    CHECK_EQ_UINT(rep.voted, 0);
    REQUIRE_OK(ph_replica_ask(ann, set, false, think, &m, &rep, &err), &err);
    CHECK_EQ_UINT(m.calls, 2);
    CHECK_EQ_UINT(m.candidates, 3);
    CHECK_EQ_UINT(rep.voted, 1);
    ph_replica_close(other);
    check_clean(ann);
    ph_replica_close(ann);
    ph_replica_close(bob);
    ph_replica_close(eve);
    ph_arena_clear(&a);
}
