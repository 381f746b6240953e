/* Every allocation fails once while records are read, written, exchanged and voted on: the answer is "out of memory", the next try
 * succeeds, and the database is sound. */
#include "api_place.h"
#include "base/base.h"

typedef prophet_code (*work_fn)(prophet_db *db, const prophet_uuid *id, prophet_error *e);

static prophet_code walk(prophet_code rc, prophet_iter *it, prophet_error *e)
{
    const prophet_doc *row;
    prophet_slice name;
    prophet_value v;
    if (rc < 0)
        return rc;
    while ((rc = prophet_iter_next(it, &row, e)) == PROPHET_OK)
        (void)prophet_doc_at(row, 0, &name, &v);
    prophet_iter_close(it);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_code swallow(void *ctx, prophet_slice chunk, prophet_error *e)
{
    (void)ctx, (void)chunk, (void)e;
    return PROPHET_OK;
}

static prophet_code read_records(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_iter *it = NULL;
    prophet_doc *doc, *copy;
    prophet_uuid natural;
    prophet_field key[] = { P("name", T("1.0")) };
    prophet_value spec = M(P("type", T("ticket")), P("order", L(T("-severity"))),
                           P("where", L(T("in"), T("status"), L(T("new"), T("open")))));
    prophet_code rc = prophet_get(db, "ticket", prophet_ref(*id), &doc, e);
    if (rc != PROPHET_OK)
        return rc;
    if ((rc = prophet_doc_copy(doc, &copy, e)) >= 0)
        prophet_doc_free(copy);
    if (rc >= 0)
        rc = prophet_doc_json(doc, swallow, NULL, e);
    prophet_doc_free(doc);
    if (rc < 0 || (rc = prophet_natural_id(db, "milestone", key, 1, &natural, e)) < 0)
        return rc;
    rc = prophet_query(db, spec, &it, e);
    return walk(rc, it, e);
}

static prophet_code read_lists(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_iter *it = NULL;
    prophet_doc *doc;
    prophet_code rc = prophet_types(db, &it, e);
    if ((rc = walk(rc, it, e)) < 0)
        return rc;
    rc = prophet_history(db, "ticket", id, &it, e);
    if ((rc = walk(rc, it, e)) < 0)
        return rc;
    rc = prophet_log(db, M(P("type", T("ticket")), P("limit", prophet_int(3))), &it, e);
    if ((rc = walk(rc, it, e)) < 0)
        return rc;
    rc = prophet_conflicts(db, M(P("status", T("open"))), &it, e);
    if ((rc = walk(rc, it, e)) < 0 || (rc = prophet_blame(db, "ticket", id, &doc, e)) < 0)
        return rc;
    prophet_doc_free(doc);
    if ((rc = prophet_info(db, &doc, e)) < 0)
        return rc;
    prophet_doc_free(doc);
    if ((rc = prophet_export(db, true, swallow, NULL, e)) < 0)
        return rc;
    return prophet_log_json(db, prophet_nil(), swallow, NULL, e);
}

static prophet_code write_records(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_field f[] = { P("summary", T("s")), P("tags", L(T("a"), T("b"))),
                          P("severity", prophet_int(2)) };
    prophet_edit edits[] = { { PROPHET_SET, T("status").as.bytes, T("closed") },
                             { PROPHET_INCR, T("votes").as.bytes, prophet_int(1) } };
    prophet_txn *t;
    prophet_doc *doc = NULL;
    prophet_code rc = prophet_txn_begin(db, "m", &t, e);
    if (rc < 0)
        return rc;
    if ((rc = prophet_txn_create(t, "ticket", NULL, f, 3, &doc, e)) >= 0) {
        prophet_doc_free(doc);
        if ((rc = prophet_txn_update(t, "ticket", id, 0, edits, 2, NULL, e)) >= 0)
            rc = prophet_txn_commit(t, NULL, NULL, e);
        else
            prophet_txn_abort(t);
    } else
        prophet_txn_abort(t);
    return rc < 0 ? rc : PROPHET_OK;
}

static prophet_value counted; /* the version of a changeset that increments */

static prophet_code revert_it(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_txn *t;
    (void)id;
    prophet_code rc = prophet_txn_begin(db, "revert", &t, e);
    if (rc < 0)
        return rc;
    if ((rc = prophet_txn_revert(t, counted, e)) >= 0)
        return prophet_txn_commit(t, NULL, NULL, e);
    prophet_txn_abort(t);
    return rc;
}

static prophet_code pull_all(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_doc *rep;
    (void)id;
    prophet_code rc = prophet_pull(db, test_path("bob"), NULL, &rep, e);
    if (rc >= 0)
        prophet_doc_free(rep);
    return rc;
}

static prophet_code cast_vote(void *ctx, const prophet_doc *c, prophet_ballot *b, prophet_error *e)
{
    (void)ctx, (void)c;
    return prophet_ballot_cast(b, PROPHET_VOTE, T("open"), "why", e);
}

static prophet_code poll_all(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    static const char *const on[] = { "*" };
    const prophet_policy p = {
        .size = sizeof p, .name = "p", .on = on, .on_count = 1, .fn = cast_vote
    };
    prophet_doc *rep;
    (void)id;
    prophet_code rc = prophet_policy_set(db, &p, e);
    if (rc < 0 || (rc = prophet_poll(db, &rep, e)) < 0)
        return rc;
    prophet_doc_free(rep);
    return rc;
}

static prophet_code clone_it(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_db *copy;
    (void)db, (void)id;
    prophet_code rc = prophet_clone(test_path("bob"), test_path("copy"), NULL, &copy, NULL, e);
    if (rc >= 0)
        prophet_close(copy);
    return rc;
}

static const char *bob_at; /* the harness keeps few paths */

/* A remote in its life, what is told of peers, and an exchange by its name. */
static prophet_code remotes_of(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    prophet_remote r = PROPHET_REMOTE_INIT;
    prophet_iter *it = NULL;
    prophet_doc *rep;
    (void)id;
    r.name = "bob";
    r.url = bob_at;
    r.token = "secret";
    prophet_code rc = prophet_remote_set(db, &r, e);
    if (rc >= 0)
        rc = prophet_remotes(db, &it, e);
    if ((rc = walk(rc, it, e)) < 0 || (rc = prophet_push(db, "bob", NULL, &rep, e)) < 0)
        return rc;
    prophet_doc_free(rep);
    rc = prophet_peers(db, &it, e);
    if ((rc = walk(rc, it, e)) < 0)
        return rc;
    if ((rc = prophet_peer_forget(db, "bob", e)) < 0)
        return rc;
    rc = prophet_remote_rename(db, "bob", "bobby", e);
    if (rc >= 0 || rc == PROPHET_EEXISTS) /* an attempt before came this far */
        rc = prophet_remote_remove(db, "bobby", e);
    return rc;
}

static prophet_code told_once(void *ctx, const prophet_doc *event, prophet_error *e)
{
    (void)ctx, (void)event, (void)e;
    return PROPHET_DONE;
}

static prophet_code live_once(prophet_db *db, const prophet_uuid *id, prophet_error *e)
{
    (void)id;
    return prophet_sync_live(db, bob_at, NULL, told_once, NULL, e);
}

static void starve(const char *what, work_fn fn, prophet_db *db, const prophet_uuid *id)
{
    prophet_code rc;
    uint64_t nth = 0;
    test_context("%s", what);
    do {
        memset(&err, 0, sizeof err);
        ph_alloc_fail_at(++nth);
        rc = fn(db, id, &err);
        ph_alloc_fail_at(0);
        CHECK_MSG(rc >= 0 || rc == PROPHET_EMEMORY, "allocation %llu gave %s: %s",
                  (unsigned long long)nth, prophet_code_name(rc), err.message);
    } while (rc < 0 && nth < 20000);
    CHECK(rc >= 0 && nth > 3);
    test_context(NULL);
}

TEST(every_lack_of_memory_is_told)
{
#ifdef PH_DEV
    prophet_db *ann = fresh("ann"), *bob;
    prophet_uuid id = make(ann, "a", "new", 3);
    prophet_doc *doc;
    uint64_t version;
    REQUIRE_OK(prophet_clone(test_path("ann"), test_path("bob"), NULL, &bob, NULL, &err), &err);
    REQUIRE_OK(set(ann, &id, 0, "status", T("open")), &err);
    REQUIRE_OK(set(bob, &id, 0, "status", T("closed")), &err);
    REQUIRE_OK(prophet_sign(bob, &err), &err);
    starve("pull", pull_all, ann, &id);
    starve("read records", read_records, ann, &id);
    starve("read lists", read_lists, ann, &id);
    starve("poll", poll_all, ann, &id);
    starve("read lists, votes too", read_lists, ann, &id);
    starve("write", write_records, ann, &id);
    REQUIRE_OK(prophet_db_version(ann, &version, &err), &err);
    counted = prophet_int((int64_t)version);
    starve("revert", revert_it, ann, &id);
    starve("revert again", revert_it, ann, &id);
    bob_at = test_path("bob");
    starve("remotes", remotes_of, ann, &id);
    REQUIRE_OK(set(bob, &id, 0, "severity", prophet_int(4)), &err);
    starve("live sync", live_once, ann, &id);
    starve("clone", clone_it, ann, &id);
    REQUIRE_OK(prophet_check(ann, &doc, &err), &err);
    CHECK_EQ_INT(int_of(doc, "faults"), 0);
    prophet_doc_free(doc);
    prophet_close(ann);
    prophet_close(bob);
#else
    (void)starve, (void)pull_all, (void)read_records, (void)read_lists, (void)poll_all,
        (void)write_records, (void)revert_it, (void)counted;
    (void)clone_it, (void)remotes_of, (void)live_once, (void)bob_at;
    test_skip("a build without fault points");
#endif
}
