/* Two replicas through prophet.h: clone, pull, push, conflicts, votes, policies. */
#include "api_place.h"
#include <dirent.h>
#include <sys/stat.h>

static prophet_db *clone_of(prophet_db *db, const char *from, const char *name)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *copy;
    (void)db;
    o.user = "bob@example.org";
    o.durability = PROPHET_RELAXED;
    REQUIRE_OK(prophet_clone(test_path(from), test_path(name), &o, &copy, NULL, &err), &err);
    return copy;
}

static char *digest(prophet_db *db)
{
    prophet_doc *doc;
    prophet_value v;
    static char text[4][65];
    static int at;
    char *out = text[at++ % 4];
    REQUIRE_OK(prophet_info(db, &doc, &err), &err);
    REQUIRE(prophet_doc_get(doc, "digest", &v) && v.as.bytes.len == 64);
    memcpy(out, v.as.bytes.data, 64);
    out[64] = 0;
    prophet_doc_free(doc);
    return out;
}

typedef struct pair {
    prophet_db *ann, *bob;
    prophet_uuid id;
} pair;

static pair disagreeing(void)
{
    pair p = { .ann = fresh("ann") };
    p.id = make(p.ann, "Crash", "new", 3);
    p.bob = clone_of(p.ann, "ann", "bob");
    REQUIRE_OK(set(p.ann, &p.id, 0, "status", T("open")), &err);
    REQUIRE_OK(set(p.bob, &p.id, 0, "status", T("closed")), &err);
    return p;
}

static void close_pair(pair *p)
{
    prophet_close(p->ann);
    prophet_close(p->bob);
}

TEST(a_pull_reports_what_came_and_a_second_brings_nothing)
{
    pair p = disagreeing();
    prophet_doc *rep;
    prophet_value v;
    prophet_exchange dry = PROPHET_EXCHANGE_INIT;
    dry.dry_run = true;
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), &dry, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 1);
    CHECK(prophet_doc_get(rep, "new_writers", &v) && v.as.list.count == 1);
    prophet_doc_free(rep);
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 1);
    CHECK_EQ_INT(int_of(rep, "replicas"), 1);
    CHECK_EQ_INT(int_of(rep, "conflicts"), 1);
    CHECK_EQ_INT(int_of(rep, "decided"), 0);
    CHECK_EQ_INT(int_of(rep, "unsigned"), 0);
    prophet_doc_free(rep);
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 0);
    prophet_doc_free(rep);
    REQUIRE_OK(prophet_push(p.ann, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 1);
    prophet_doc_free(rep);
    CHECK_EQ_STR(digest(p.ann), digest(p.bob));
    close_pair(&p);
}

TEST(other_databases_and_places_are_refused)
{
    prophet_db *ann = fresh("ann"), *other = fresh("other"), *db;
    prophet_doc *rep;
    CHECK_CODE(prophet_pull(ann, test_path("other"), NULL, &rep, &err), PROPHET_EUNRELATED, &err);
    CHECK_CODE(prophet_pull(ann, test_path("nowhere"), NULL, &rep, &err), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(prophet_pull(ann, test_path("ann"), NULL, &rep, &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(prophet_clone(test_path("ann"), test_path("other"), NULL, &db, NULL, &err),
               PROPHET_EEXISTS, &err);
    CHECK_CODE(prophet_clone(test_path("nowhere"), test_path("new"), NULL, &db, NULL, &err),
               PROPHET_ENOTFOUND, &err);
    struct stat st;
    CHECK(stat(test_path("new"), &st) != 0);
    prophet_close(ann);
    prophet_close(other);
}

static prophet_doc *only_conflict(prophet_db *db, prophet_value spec)
{
    prophet_iter *it;
    const prophet_doc *row;
    prophet_doc *copy;
    REQUIRE_OK(prophet_conflicts(db, spec, &it, &err), &err);
    REQUIRE(prophet_iter_next(it, &row, &err) == PROPHET_OK);
    REQUIRE_OK(prophet_doc_copy(row, &copy, &err), &err);
    CHECK_CODE(prophet_iter_next(it, &row, &err), PROPHET_DONE, &err);
    prophet_iter_close(it);
    return copy;
}

TEST(people_vote_and_a_write_ends_a_conflict)
{
    pair p = disagreeing();
    prophet_txn *t;
    prophet_cell cell = { "ticket", p.id, "status" }, none = { "ticket", p.id, "summary" };
    prophet_value v, id;
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), NULL, NULL, &err), &err);
    prophet_doc *c = only_conflict(p.ann, M(P("status", T("open")), P("type", T("ticket"))));
    CHECK(text_is(c, "kind", "enum") && text_is(c, "status", "open") && text_is(c, "base", "new"));
    CHECK(prophet_doc_get(c, "candidates", &v) && v.as.list.count == 2);
    CHECK(prophet_doc_get(c, "id", &id));
    prophet_doc_free(only_conflict(p.ann, M(P("id", prophet_text_n(id.as.bytes.data, 10)))));
    prophet_doc_free(c);
    REQUIRE_OK(prophet_txn_begin(p.ann, NULL, &t, &err), &err);
    CHECK_CODE(prophet_txn_vote(t, &none, T("x"), NULL, &err), PROPHET_ENOTFOUND, &err);
    REQUIRE_OK(prophet_txn_vote(t, &cell, T("open"), "still failing", &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    c = only_conflict(p.ann, prophet_nil());
    char *json = json_of(c);
    CHECK_HAS(json, "\"decided\":true");
    CHECK_HAS(json, "\"outcome\":{\"value\":\"open\",\"unset\":false,\"decided_by\":\"votes\"}");
    CHECK_HAS(json, "\"votes\":[{\"by\":\"person\",\"value\":\"open\",\"unset\":false,\"reason\":"
                    "\"still failing\",\"counts\":true");
    free(json);
    prophet_doc_free(c);
    prophet_doc *doc = get(p.ann, prophet_ref(p.id));
    prophet_record rec;
    CHECK(text_is(doc, "status", "open") && prophet_doc_record(doc, &rec) && rec.conflict);
    prophet_doc_free(doc);
    REQUIRE_OK(prophet_txn_begin(p.ann, NULL, &t, &err), &err);
    REQUIRE_OK(prophet_txn_resolve(t, &cell, T("new"), &err), &err);
    REQUIRE_OK(prophet_txn_commit(t, NULL, NULL, &err), &err);
    c = only_conflict(p.ann, M(P("record", prophet_ref(p.id)), P("field", T("status"))));
    CHECK(text_is(c, "status", "closed") && prophet_doc_get(c, "closed_by", &v));
    prophet_doc_free(c);
    close_pair(&p);
}

/* ---- policies ---------------------------------------------------------------------------------------------- */

typedef struct asked {
    int times, dropped;
    const char *vote;
} asked;

static prophet_code answer(void *ctx, const prophet_doc *conflict, prophet_ballot *b,
                           prophet_error *e)
{
    asked *a = ctx;
    a->times++;
    CHECK(text_is(conflict, "field", "status"));
    if (!a->vote)
        return prophet_ballot_cast(b, PROPHET_ABSTAIN, prophet_nil(), "no idea", e);
    return prophet_ballot_cast(b, PROPHET_VOTE, T(a->vote), "because", e);
}

static void dropped(void *ctx)
{
    ((asked *)ctx)->dropped++;
}

static void add_policy(prophet_db *db, const char *name, const char *on, asked *a)
{
    prophet_policy p = { .size = sizeof p,
                         .name = name,
                         .on = &on,
                         .on_count = 1,
                         .fn = answer,
                         .ctx = a,
                         .drop = dropped };
    memset(p.source.b, name[0], sizeof p.source.b);
    REQUIRE_OK(prophet_policy_set(db, &p, &err), &err);
}

TEST(policies_are_asked_in_order_and_once)
{
    pair p = disagreeing();
    asked exact = { 0 }, type = { .vote = "open" }, any = { .vote = "closed" },
          kind = { .vote = "closed" };
    prophet_doc *rep;
    add_policy(p.ann, "any", "*", &any);
    add_policy(p.ann, "kind", "kind:enum", &kind);
    add_policy(p.ann, "type", "ticket.*", &type);
    add_policy(p.ann, "exact", "ticket.status", &exact);
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "votes"), 1);
    CHECK_EQ_INT(int_of(rep, "decided"), 1);
    prophet_doc_free(rep);
    CHECK_EQ_INT(exact.times, 1);
    CHECK_EQ_INT(type.times, 1);
    CHECK_EQ_INT(any.times + kind.times, 0);
    prophet_doc *c = only_conflict(p.ann, prophet_nil());
    char *json = json_of(c);
    CHECK_HAS(json, "\"resolver\":\"type@7474");
    free(json);
    prophet_doc_free(c);
    REQUIRE_OK(prophet_poll(p.ann, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "asked"), 0);
    prophet_doc_free(rep);
    asked late = { .vote = "closed" };
    add_policy(p.ann, "late", "*", &late); /* another set: what was asked stays asked */
    REQUIRE_OK(prophet_poll(p.ann, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "voted"), 0);
    prophet_doc_free(rep);
    CHECK_EQ_INT(exact.times + type.times + late.times, 2);
    prophet_policy gone = { .size = sizeof gone, .name = "late" };
    REQUIRE_OK(prophet_policy_set(p.ann, &gone, &err), &err);
    CHECK_EQ_INT(late.dropped, 1);
    close_pair(&p);
    CHECK_EQ_INT(any.dropped + kind.dropped + type.dropped + exact.dropped, 4);
}

TEST(a_sync_reports_both_sides_and_a_second_writes_nothing)
{
    pair p = disagreeing();
    prophet_doc *rep;
    uint64_t before, after;
    REQUIRE_OK(prophet_sync(p.ann, test_path("bob"), NULL, &rep, &err), &err);
    char *json = json_of(rep);
    CHECK_HAS(json, "{\"pull\":{\"changesets\":1");
    CHECK_HAS(json, "\"push\":{\"changesets\":1");
    free(json);
    prophet_doc_free(rep);
    CHECK_EQ_STR(digest(p.ann), digest(p.bob));
    REQUIRE_OK(prophet_db_version(p.ann, &before, &err), &err);
    REQUIRE_OK(prophet_sync(p.ann, test_path("bob"), NULL, NULL, &err), &err);
    REQUIRE_OK(prophet_db_version(p.ann, &after, &err), &err);
    CHECK_EQ_UINT(before, after);
    close_pair(&p);
}

static prophet_code stop_it(void *ctx, const char *stage, uint64_t done, uint64_t total,
                            prophet_error *e)
{
    (void)ctx, (void)stage, (void)done, (void)total;
    if (e) {
        e->code = PROPHET_ENETWORK;
        (void)snprintf(e->message, sizeof e->message, "stopped");
    }
    return PROPHET_ENETWORK;
}

TEST(progress_can_end_a_pull)
{
    pair p = disagreeing();
    prophet_exchange o = PROPHET_EXCHANGE_INIT;
    o.progress = stop_it;
    CHECK_CODE(prophet_pull(p.ann, test_path("bob"), &o, NULL, &err), PROPHET_ENETWORK, &err);
    REQUIRE_OK(prophet_pull(p.ann, test_path("bob"), NULL, NULL, &err), &err);
    close_pair(&p);
}

TEST(an_unsigned_tail_waits_until_its_writer_signs_it)
{
    prophet_db *ann = fresh("ann"), *reader;
    prophet_db *bob = clone_of(ann, "ann", "bob");
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_doc *rep;
    (void)make(ann, "x", "new", 1); /* not signed before it is exchanged */
    o.readonly = true;
    REQUIRE_OK(prophet_open(test_path("ann"), &o, &reader, &err), &err);
    REQUIRE_OK(prophet_push(reader, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 0);
    CHECK_EQ_INT(int_of(rep, "unsigned"), 1);
    prophet_doc_free(rep);
    CHECK_CODE(prophet_pull(reader, test_path("bob"), NULL, NULL, &err), PROPHET_EREADONLY, &err);
    prophet_close(reader);
    REQUIRE_OK(prophet_push(ann, test_path("bob"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 1);
    CHECK_EQ_INT(int_of(rep, "unsigned"), 0);
    prophet_doc_free(rep);
    CHECK_EQ_STR(digest(ann), digest(bob));
    prophet_close(ann);
    prophet_close(bob);
}

TEST(a_clone_that_fails_leaves_nothing)
{
    prophet_db *ann = fresh("ann"), *copy;
    char path[4200];
    for (int i = 0; i < 50; i++)
        (void)make(ann, "a ticket with a summary of some length", "new", 1);
    prophet_close(ann);
    (void)snprintf(path, sizeof path, "%s/log/00000001.log", test_path("ann"));
    FILE *log = fopen(path, "r+b");
    REQUIRE(log != NULL);
    (void)fseek(log, 3000, SEEK_SET);
    (void)fputs("damage", log);
    (void)fclose(log);
    CHECK_CODE(prophet_clone(test_path("ann"), test_path("copy"), NULL, &copy, NULL, &err),
               PROPHET_ECORRUPT, &err);
    DIR *dir = opendir(test_dir());
    REQUIRE(dir != NULL);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        CHECK_MSG(strncmp(e->d_name, "copy", 4) != 0, "%s is left", e->d_name);
    (void)closedir(dir);
}

TEST(many_changesets_come_in_one_pull)
{
    prophet_db *ann = fresh("ann");
    prophet_db *bob = clone_of(ann, "ann", "bob");
    prophet_doc *rep;
    for (int i = 0; i < 3000; i++)
        (void)make(ann, "x", "new", 1 + i % 5);
    REQUIRE_OK(prophet_pull(bob, test_path("ann"), NULL, &rep, &err), &err);
    CHECK_EQ_INT(int_of(rep, "changesets"), 3000);
    CHECK_EQ_INT(int_of(rep, "held_back"), -1);
    prophet_doc_free(rep);
    CHECK_EQ_STR(digest(ann), digest(bob));
    prophet_close(ann);
    prophet_close(bob);
}
