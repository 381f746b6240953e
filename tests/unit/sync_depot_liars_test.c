/* Publishers of a depot who sign what is not so: a prev that is another's or not the one before, a manifest of another database. Each is left out and named; what
 * the others put there comes all the same, and the next pull goes on once the lie is gone. */
#include "depot_craft.h"

typedef struct world {
    ph_replica *honest, *reader;
    const ph_uuid *database;
    ph_id head; /* of honest's chain */
    crafter liar;
} world;

static void honest_writes(world *w)
{
    write_some(w->honest, 3);
    (void)publish(w->honest, "d");
    w->head = head_of(w->honest);
}

static void begin(world *w)
{
    w->honest = fresh("honest", NULL);
    w->database = ph_replica_database(w->honest);
    w->reader = fresh("reader", w->database);
    honest_writes(w);
    craft_begin(&w->liar);
}

static void end(world *w)
{
    craft_end(&w->liar);
    ph_replica_close(w->honest);
    ph_replica_close(w->reader);
}

static void leave(world *w)
{
    char name[80], hex[65];
    ph_hex(w->liar.key.b, 32, hex);
    (void)snprintf(name, sizeof name, "d/%s", hex);
    REQUIRE_OK(ph_dir_remove(place(name), &err), &err);
    craft_end(&w->liar);
}

/* A depot by its URL: a path without a root in it might be anything. */
static prophet_code pull_url(ph_replica *r, const char *where)
{
    ph_sync_report rep;
    char url[4300];
    (void)snprintf(url, sizeof url, "file://%s", place(where));
    prophet_code rc = ph_sync_pull(r, url, NULL, &rep, &err);
    ph_sync_report_clear(&rep);
    return rc;
}

/* The pull fails with this, names the publisher, and brings all that is so. */
static void refused(world *w, prophet_code code, const char *why, uint64_t sound)
{
    ph_sync_report rep;
    char hex[65], folder[12];
    ph_hex(w->liar.key.b, 32, hex);
    (void)snprintf(folder, sizeof folder, "%.8s..", hex);
    CHECK_CODE(ph_sync_pull(w->reader, place("d"), NULL, &rep, &err), code, &err);
    CHECK_HAS(err.message, why);
    CHECK_HAS(err.message, folder);
    CHECK_EQ_UINT(version_of(w->reader), sound);
    ph_sync_report_clear(&rep);
}

TEST(a_clone_has_all_that_is_so)
{
    world w;
    ph_sync_report rep;
    begin(&w);
    craft_chain(&w.liar, w.database, 1);
    craft_changeset(&w.liar, w.database, &w.head, 2);
    craft_sign(&w.liar);
    craft_publish(&w.liar, w.database, place("d"));
    char to[4200];
    (void)snprintf(to, sizeof to, "%s", place("clone"));
    CHECK_OK(ph_sync_clone(place("d"), to, NULL, &rep, &err), &err);
    CHECK_HAS(rep.notice, "left out: ");
    CHECK_HAS(rep.notice, "its prev is not");
    CHECK_EQ_UINT(rep.changesets, version_of(w.honest) + 1);
    ph_sync_report_clear(&rep);
    end(&w);
}

/* Who comes first is by chance of the keys: many times. What prev names comes with the same pull, or is here already. */
TEST(a_prev_of_another_chain)
{
    world w;
    begin(&w);
    uint64_t sound = 0;
    for (int i = 0; i < 8; i++) {
        craft_chain(&w.liar, w.database, 1);
        craft_changeset(&w.liar, w.database, &w.head, 2);
        craft_sign(&w.liar);
        craft_publish(&w.liar, w.database, place("d"));
        if (i % 2)
            honest_writes(&w);
        sound = version_of(w.honest) + (uint64_t)i + 1; /* the first of each liar */
        refused(&w, PROPHET_ECORRUPT, "its prev is not", sound);
        leave(&w);
        CHECK_EQ_UINT(pull(w.reader, "d"), 0);
        craft_begin(&w.liar);
    }
    end(&w);
}

TEST(a_prev_of_its_own_chain_that_is_not_the_one_before)
{
    world w;
    begin(&w);
    for (int later = 0; later < 2; later++) { /* prev in the same segment, or here before */
        crafter *l = &w.liar;
        craft_chain(l, w.database, 2);
        const ph_id second = l->last;
        if (later) {
            craft_publish(l, w.database, place("d"));
            CHECK_EQ_UINT(pull(w.reader, "d"), 2);
        }
        craft_changeset(l, w.database, &second, 4);
        craft_sign(l);
        craft_publish(l, w.database, place("d"));
        refused(&w, PROPHET_ECORRUPT, "its prev is not",
                version_of(w.honest) + 2 * (uint64_t)(later + 1));
        leave(&w);
        craft_begin(l);
    }
    end(&w);
}

/* What waits for a lie is not here either; what others wrote behind that is so comes. */
TEST(all_that_stands_on_a_lie_waits)
{
    world w;
    begin(&w);
    crafter *l = &w.liar;
    craft_chain(l, w.database, 1);
    craft_changeset(l, w.database, &w.head, 2);
    const ph_id lie = l->last;
    craft_changeset(l, w.database, &lie, 3);
    craft_sign(l);
    craft_publish(l, w.database, place("d"));
    for (int i = 0; i < 2; i++)
        refused(&w, PROPHET_ECORRUPT, "its prev is not", 4);
    end(&w);
}

/* More than one transaction takes: what was applied before the lie was met stays, is told, and is not counted as a lie. */
TEST(a_lie_behind_what_is_applied_already)
{
    world w;
    crafter many;
    ph_sync_report rep;
    begin(&w);
    craft_begin(&many);
    craft_chain(&many, w.database, 9000);
    craft_publish(&many, w.database, place("d"));
    craft_chain(&w.liar, w.database, 1);
    craft_changeset(&w.liar, w.database, &many.last, 9001);
    craft_sign(&w.liar);
    craft_publish(&w.liar, w.database, place("d"));
    CHECK_CODE(ph_sync_pull(w.reader, place("d"), NULL, &rep, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_UINT(rep.changesets, 9000 + 3 + 1);
    CHECK_EQ_UINT(rep.writer_count, 3);
    CHECK_EQ_UINT(rep.new_writer_count, 3);
    ph_sync_report_clear(&rep);
    refused(&w, PROPHET_ECORRUPT, "its prev is not", 9000 + 3 + 1);
    leave(&w);
    craft_begin(&w.liar);
    CHECK_EQ_UINT(pull(w.reader, "d"), 0);
    craft_end(&many);
    end(&w);
}

TEST(nothing_but_lies_is_an_error_and_nothing_comes)
{
    world w;
    begin(&w);
    craft_changeset(&w.liar, w.database, &w.head, 2);
    craft_sign(&w.liar);
    REQUIRE(mkdir(place("lies"), 0755) == 0);
    craft_publish(&w.liar, w.database, place("lies"));
    CHECK_EQ_UINT(pull(w.reader, "d"), 3);
    CHECK_CODE(pull_url(w.reader, "lies"), PROPHET_ECORRUPT, &err);
    CHECK_EQ_UINT(version_of(w.reader), 3);
    end(&w);
}

TEST(a_manifest_of_another_database_in_a_depot_of_ours)
{
    world w;
    begin(&w);
    ph_replica *other = fresh("other", NULL);
    const ph_uuid *theirs = ph_replica_database(other);
    craft_chain(&w.liar, theirs, 2);
    craft_publish(&w.liar, theirs, place("d"));
    refused(&w, PROPHET_EUNRELATED, "", 3);
    honest_writes(&w); /* who publishes is not kept out either, and leaves it where it is */
    refused(&w, PROPHET_EUNRELATED, "", 6);
    CHECK(same(w.reader, w.honest));
    CHECK_CODE(pull_url(other, "d"), PROPHET_EUNRELATED, &err);
    CHECK_EQ_UINT(version_of(other), 0); /* the depot is not theirs */
    leave(&w);
    CHECK_EQ_UINT(pull(w.reader, "d"), 0);
    craft_begin(&w.liar);
    ph_replica_close(other);
    end(&w);
}

/* Without a root it may be the whole depot that is another's. */
TEST(a_depot_of_another_database_that_lost_its_root)
{
    world w;
    begin(&w);
    ph_replica *other = fresh("other", NULL);
    ph_sync_report rep;
    REQUIRE(unlink(place("d/prophet-depot")) == 0);
    write_some(other, 1);
    CHECK_CODE(pull_url(other, "d"), PROPHET_EUNRELATED, &err);
    CHECK_CODE(ph_sync_publish(other, place("d"), NULL, &rep, &err), PROPHET_EUNRELATED, &err);
    CHECK(!ph_path_exists(place("d/prophet-depot")));
    ph_replica_close(other);
    end(&w);
}

/* ---- forks ------------------------------------------------------------------------------------------------------------- */

/* No lie, but a key that was copied often. */
TEST(a_chain_that_forks_seventy_times_at_one_place)
{
    world w;
    begin(&w);
    ph_replica *third = fresh("third", w.database);
    crafter *l = &w.liar;
    craft_chain(l, w.database, 1);
    const ph_id first = l->last;
    for (int i = 0; i < 70; i++) {
        craft_changeset(l, w.database, &first, 2);
        craft_sign(l);
    }
    craft_publish(l, w.database, place("d"));
    CHECK_EQ_UINT(pull(w.reader, "d"), 3 + 71);
    CHECK_EQ_UINT(publish(w.reader, "other"), 3 + 71);
    CHECK_EQ_UINT(pull(third, "other"), 3 + 71);
    CHECK(same(w.reader, third));
    CHECK_EQ_UINT(publish(third, "other"), 0);
    ph_replica_close(third);
    end(&w);
}

/* The directory as it was, in the files that are there: to the replica it is the same disk. */
static void roll_back(const char *saved, const char *to)
{
    char command[20000];
    (void)snprintf(command, sizeof command,
                   "cp -a '%s/.' '%s' && cd '%s' && find . -type f | while read -r f; do "
                   "test -e '%s'/\"$f\" || rm \"$f\"; done",
                   saved, to, to, saved);
    REQUIRE(system(command) == 0);
}

/* What it wrote and forgot comes back from the depot: it goes on with another key, though somebody else there is refused after much of that was applied. */
TEST(a_rolled_back_replica_gets_another_key_beside_a_liar)
{
    char saved[4200], path[4200], command[9000];
    ph_sync_report rep;
    crafter liar;
    ph_replica *r = fresh("back", NULL);
    const ph_uuid database = *ph_replica_database(r);
    write_some(r, 5);
    ph_replica_close(r);
    (void)snprintf(path, sizeof path, "%s", place("back"));
    (void)snprintf(saved, sizeof saved, "%s", place("saved"));
    (void)snprintf(command, sizeof command, "cp -a '%s' '%s'", path, saved);
    REQUIRE(system(command) == 0);
    r = open_at("back");
    write_some(r, 6000); /* more than a transaction */
    (void)publish(r, "d");
    const ph_id head = head_of(r), key = *ph_replica_key(r);
    ph_replica_close(r);
    roll_back(saved, path);
    craft_begin(&liar);
    craft_chain(&liar, &database, 1);
    craft_changeset(&liar, &database, &head, 6006);
    craft_sign(&liar);
    craft_publish(&liar, &database, place("d"));
    r = open_at("back");
    CHECK(ph_id_eq(ph_replica_key(r), &key)); /* nothing here tells yet */
    CHECK_CODE(ph_sync_pull(r, place("d"), NULL, &rep, &err), PROPHET_ECORRUPT, &err);
    CHECK_EQ_UINT(version_of(r),
                  6005 + 1 +
                      1); /* and the first of the liar, and its own that names the key before */
    CHECK(!ph_id_eq(ph_replica_key(r), &key));
    ph_sync_report_clear(&rep);
    craft_end(&liar);
    ph_replica_close(r);
}
