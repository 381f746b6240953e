/* Where nobody can list: of whom the root tells nothing new is not read, and is when something stays missing. */
#include "unit/depot_craft.h"

static size_t manifests, asked; /* of the depot "d" */

static prophet_code host_open(void *ctx, const char *url, const prophet_net_options *o, void **out,
                              prophet_error *e)
{
    (void)ctx, (void)url, (void)o, (void)e;
    *out = &asked;
    return PROPHET_OK;
}

static prophet_code host_get(void *host, const char *name, prophet_net_get *g, prophet_error *e)
{
    char path[4600];
    ph_buf bytes = PH_BUF_INIT;
    prophet_code rc = PROPHET_DONE;
    (void)host;
    asked++;
    manifests += strstr(name, "/manifest") != NULL;
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), name);
    if (ph_path_exists(path) && (rc = ph_file_slurp(path, 1u << 24, &bytes, e)) >= 0) {
        g->total = bytes.len;
        rc = g->sink(g->ctx, ph_buf_slice(&bytes), e);
    }
    ph_buf_clear(&bytes);
    return rc;
}

/* What it tells; the counts begin anew. */
static uint64_t pull_there(ph_replica *r, bool dry, const char *notice)
{
    const ph_sync_options o = { .dry_run = dry };
    ph_sync_report rep;
    asked = manifests = 0;
    REQUIRE_OK(ph_sync_pull(r, "quiet:d", &o, &rep, &err), &err);
    if (notice)
        CHECK_HAS(rep.notice, notice);
    else
        CHECK_EQ_STR(rep.notice, "");
    CHECK_EQ_UINT(rep.held_back, 0);
    const uint64_t n = rep.changesets;
    ph_sync_report_clear(&rep);
    return n;
}

/* ---- the root ------------------------------------------------------------------------------------------------------------- */

static void slurp(const char *name, ph_buf *out)
{
    char path[4600];
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), name);
    ph_buf_reset(out);
    REQUIRE_OK(ph_file_slurp(path, 1u << 24, out, &err), &err);
}

static void put(const char *name, const ph_buf *bytes)
{
    char path[4600];
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), name);
    REQUIRE_OK(ph_file_replace(path, ph_buf_slice(bytes), 0644, &err), &err);
}

/* The root tells of this publisher what it told then. */
static void tell_as_then(const ph_buf *then, const ph_id *key)
{
    ph_arena a = PH_ARENA_INIT;
    ph_buf bytes = PH_BUF_INIT;
    depot_root now, old;
    slurp(DEPOT_ROOT, &bytes);
    REQUIRE_OK(depot_root_decode(ph_buf_slice(&bytes), &a, &now, &err), &err);
    REQUIRE_OK(depot_root_decode(ph_buf_slice(then), &a, &old, &err), &err);
    depot_entry *entries = (depot_entry *)(uintptr_t)now.entries;
    for (size_t i = 0; i < now.count; i++)
        for (size_t k = 0; k < old.count; k++)
            if (ph_id_eq(&entries[i].replica, key) && ph_id_eq(&old.entries[k].replica, key))
                entries[i] = old.entries[k];
    ph_buf_reset(&bytes);
    REQUIRE_OK(depot_root_encode(&now, &bytes, &err), &err);
    put(DEPOT_ROOT, &bytes);
    ph_buf_clear(&bytes);
    ph_arena_clear(&a);
}

/* ---- a depot of several ------------------------------------------------------------------------------------------------ */

enum { OTHERS = 6 };

typedef struct world {
    ph_replica *others[OTHERS], *reader;
    ph_uuid database;
    ph_buf root; /* as it was when the reader had all */
} world;

static void begin(world *w)
{
    prophet_transport t = {
        .size = sizeof t, .scheme = "quiet", .open = host_open, .get = host_get
    };
    *w = (world){ .root = PH_BUF_INIT };
    REQUIRE_OK(ph_net_add(&t, &err), &err);
    for (int i = 0; i < OTHERS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "other%d", i);
        w->others[i] = fresh(name, i ? &w->database : NULL);
        w->database = *ph_replica_database(w->others[0]);
        write_some(w->others[i], 2);
        (void)publish(w->others[i], "d");
    }
    w->reader = fresh("reader", &w->database);
    CHECK_EQ_UINT(pull_there(w->reader, false, NULL), 2 * OTHERS);
    CHECK_EQ_UINT(manifests, OTHERS);
    slurp(DEPOT_ROOT, &w->root);
}

static void end(world *w)
{
    const prophet_transport none = { .size = sizeof none, .scheme = "quiet" };
    REQUIRE_OK(ph_net_add(&none, &err), &err);
    for (int i = 0; i < OTHERS; i++)
        ph_replica_close(w->others[i]);
    ph_replica_close(w->reader);
    ph_buf_clear(&w->root);
}

TEST(who_is_quiet_is_not_read)
{
    world w;
    begin(&w);
    CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 0);
    CHECK_EQ_UINT(asked, 1);
    for (int i = 0; i < 3; i++) {
        write_some(w.others[i], 1);
        (void)publish(w.others[i], "d");
        CHECK_EQ_UINT(pull_there(w.reader, true, NULL), 1);
        CHECK_EQ_UINT(manifests, OTHERS); /* what stays missing would not show */
        CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 1);
        CHECK_EQ_UINT(asked, 3); /* root, manifest, segment */
    }
    end(&w);
}

/* One published what it found with another, of whom the root does not tell yet. */
TEST(what_a_segment_names_is_looked_for_with_all)
{
    world w;
    begin(&w);
    write_some(w.others[0], 2);
    (void)publish(w.others[0], "d");
    CHECK_EQ_UINT(pull(w.others[1], "d"), 2 * (OTHERS - 1) + 2);
    write_some(w.others[1], 1);
    (void)publish(w.others[1], "d");
    tell_as_then(&w.root, ph_replica_key(w.others[0]));
    CHECK_EQ_UINT(pull_there(w.reader, true, NULL), 3);
    CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 3);
    CHECK_EQ_UINT(manifests, 1 + OTHERS + 1); /* its own folder, too */
    CHECK(same(w.reader, w.others[1]));
    end(&w);
}

/* It hides nothing that another has, whom the root calls quiet. */
TEST(what_a_manifest_claims_in_vain_is_looked_for_with_all)
{
    world w;
    crafter liar;
    begin(&w);
    write_some(w.others[0], 1);
    (void)publish(w.others[0], "d");
    craft_begin(&liar);
    craft_chain(&liar, &w.database, 1);
    sync_run runs[2] = { { liar.key, 1, 1, liar.last },
                         { *ph_replica_key(w.others[0]), 3, 3, head_of(w.others[0]) } };
    craft_claim(&liar, &w.database, place("d"), runs, 2);
    CHECK_EQ_UINT(publish(w.others[2], "d"), 0); /* tells of it in the root */
    tell_as_then(&w.root, ph_replica_key(w.others[0]));
    CHECK_EQ_UINT(pull_there(w.reader, false, "others had what is in them"), 2);
    CHECK_EQ_UINT(manifests, 1 + OTHERS + 2);
    craft_end(&liar);
    end(&w);
}

/* What was seen of who was not read is remembered. */
TEST(who_was_quiet_for_long_and_goes_back_is_warned_about)
{
    world w;
    char name[DEPOT_NAME_SIZE];
    ph_buf early = PH_BUF_INIT, late = PH_BUF_INIT, root = PH_BUF_INIT;
    begin(&w);
    const ph_id *key = ph_replica_key(w.others[0]);
    depot_manifest_name(key, name);
    slurp(name, &early);
    write_some(w.others[0], 1);
    (void)publish(w.others[0], "d");
    slurp(name, &late);
    CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 1);
    slurp(DEPOT_ROOT, &root);
    for (int i = 1; i < 4; i++) {
        write_some(w.others[i], 1);
        (void)publish(w.others[i], "d");
        CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 1);
        CHECK_EQ_UINT(manifests, 1);
    }
    put(name, &early);
    tell_as_then(&w.root, key);
    CHECK_EQ_UINT(pull_there(w.reader, false, "went back there from generation 2 to 1"), 0);
    CHECK_EQ_UINT(manifests, 1);
    put(name, &late);
    tell_as_then(&root, key);
    CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 0);
    CHECK_EQ_UINT(asked, 1);
    ph_buf_clear(&early);
    ph_buf_clear(&late);
    ph_buf_clear(&root);
    end(&w);
}

/* Whoever had more than what is known of them is read when anybody has news: so it is known what the depot has. */
TEST(who_went_on_with_what_came_another_way_is_read_once)
{
    world w;
    begin(&w);
    write_some(w.others[0], 1);
    (void)publish(w.others[0], "d");
    CHECK_EQ_UINT(pull(w.reader, "other0"), 1);
    CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 0);
    CHECK_EQ_UINT(asked, 1);
    for (int i = 0; i < 2; i++) {
        write_some(w.others[1], 1);
        (void)publish(w.others[1], "d");
        CHECK_EQ_UINT(pull_there(w.reader, false, NULL), 1);
        CHECK_EQ_UINT(manifests, i ? 1 : 2);
    }
    end(&w);
}
