/* Depots at places of a host's own making (a transport): one that lists names which are paths, one that cannot list. */
#include "depot_place.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct lister { /* a host of the depot "d" */
    char key[65];       /* its publisher's */
    size_t asked;
    const char *broken; /* names that it cannot read begin with this, */
    bool manifests;     /* and are manifests, or not */
} lister;

static prophet_code lister_open(void *ctx, const char *url, const prophet_net_options *o,
                                void **out, prophet_error *e)
{
    (void)url, (void)o, (void)e;
    *out = ctx;
    return PROPHET_OK;
}

static prophet_code lister_get(void *host, const char *name, prophet_net_get *g, prophet_error *e)
{
    char path[4600];
    ph_buf bytes = PH_BUF_INIT;
    lister *l = host;
    l->asked++;
    CHECK(name[0] != '/' && !strstr(name, "..") && strlen(name) < 130);
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), name);
    prophet_code rc = PROPHET_DONE;
    if (l->broken && strncmp(name, l->broken, strlen(l->broken)) == 0 &&
        l->manifests == (strstr(name, "/manifest") != NULL))
        return ph_fail(e, PROPHET_EIO, "read %s: permission denied", name);
    if (ph_path_exists(path) && (rc = ph_file_slurp(path, 1u << 24, &bytes, e)) >= 0) {
        g->total = bytes.len;
        rc = g->sink(g->ctx, ph_buf_slice(&bytes), e);
    }
    ph_buf_clear(&bytes);
    return rc;
}

static prophet_code lister_put(void *host, const char *name, prophet_net_put *p, prophet_error *e)
{
    char path[4600], folder[4600];
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), name);
    (void)snprintf(folder, sizeof folder, "%s/%.64s", place("d"), name);
    (void)host;
    if (p->only_if_absent && ph_path_exists(path))
        return ph_fail(e, PROPHET_EEXISTS, "%s is there", name);
    REQUIRE(mkdir(place("d"), 0755) == 0 || ph_path_exists(place("d")));
    REQUIRE(!strchr(name, '/') || mkdir(folder, 0755) == 0 || ph_path_exists(folder));
    ph_buf bytes = PH_BUF_INIT;
    REQUIRE(ph_buf_reserve(&bytes, p->length + 1));
    prophet_code rc = p->read(p->ctx, 0, bytes.data, p->length, e);
    bytes.len = p->length;
    if (rc >= 0)
        rc = ph_file_replace(path, ph_buf_slice(&bytes), 0644, e);
    ph_buf_clear(&bytes);
    return rc;
}

/* With all that lies there, names that are paths. */
static prophet_code lister_list(void *host, const char *folder, prophet_net_name_fn each, void *ctx,
                                prophet_error *e)
{
    static const char *const around[][2] = {
        { "", "/manifest/.." },   { "", "/../manifest" },
        { "../", "/manifest" },   { "/", "/manifest" },
        { "", "/..%2fmanifest" }, { "", "/./manifest" },
        { "", "//manifest" },     { "", "/" },
        { "", "\\..\\manifest" }, { "a", "/manifest" },
        { "", "/manifest\n" },    { "../../../etc/passwd", "" }
    };
    const lister *l = host;
    char name[4400];
    prophet_code rc = PROPHET_OK;
    CHECK_EQ_STR(folder, "");
    for (size_t i = 0; i < sizeof around / sizeof *around && rc >= 0; i++) {
        (void)snprintf(name, sizeof name, "%s%s%s", around[i][0], l->key, around[i][1]);
        rc = each(ctx, name, 10, e);
    }
    (void)snprintf(name, sizeof name, "%s/%s", place("d"), l->key);
    DIR *d = opendir(name);
    REQUIRE(d != NULL);
    for (const struct dirent *f; rc >= 0 && (f = readdir(d)) != NULL;) { /* "." and ".." as well */
        (void)snprintf(name, sizeof name, "%s/%.200s", l->key, f->d_name);
        rc = each(ctx, name, PROPHET_WHOLE, e);
    }
    closedir(d);
    return rc;
}

static void begin(prophet_transport *t)
{
    t->size = sizeof *t;
    t->scheme = "lister";
    t->open = lister_open;
    t->get = lister_get;
    REQUIRE_OK(ph_net_add(t, &err), &err);
}

static void end(void)
{
    const prophet_transport none = { .size = sizeof none, .scheme = "lister" };
    REQUIRE_OK(ph_net_add(&none, &err), &err);
}

TEST(names_of_a_listing_that_are_paths_are_never_asked_for)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    lister l = { .asked = 0 };
    prophet_transport t = { .ctx = &l, .list = lister_list };
    ph_sync_report rep;
    write_some(a, 3);
    (void)publish(a, "d");
    ph_hex(ph_replica_key(a)->b, 32, l.key);
    begin(&t);
    for (int i = 0; i < 2; i++) { /* and the next pull goes on */
        CHECK_OK(ph_sync_pull(b, "lister:d", NULL, &rep, &err), &err);
        CHECK_EQ_STR(rep.notice, "");
        ph_sync_report_clear(&rep);
        CHECK(same(a, b));
        write_some(a, 1);
        (void)publish(a, "d");
    }
    CHECK(l.asked > 2); /* root, manifest, segment */
    end();
    ph_replica_close(a);
    ph_replica_close(b);
}

static uint64_t publish_there(ph_replica *r, bool check, bool told)
{
    const ph_sync_options o = { .check = check };
    ph_sync_report rep;
    REQUIRE_OK(ph_sync_publish(r, "lister:d", &o, &rep, &err), &err);
    CHECK_EQ_INT(strstr(rep.notice, "1 damaged segments") != NULL, told);
    const uint64_t n = rep.changesets;
    ph_sync_report_clear(&rep);
    return n;
}

static void lose_the_segment(const lister *l)
{
    char path[9000];
    size_t lost = 0;
    (void)snprintf(path, sizeof path, "%s/%s", place("d"), l->key);
    DIR *d = opendir(path);
    REQUIRE(d != NULL);
    for (const struct dirent *f; (f = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s/%.200s", place("d"), l->key, f->d_name);
        if (strlen(f->d_name) == 64)
            lost += unlink(path) == 0;
    }
    closedir(d);
    CHECK_EQ_UINT(lost, 1);
}

/* Nothing tells a publisher there that a segment is gone: a check asks for each. */
TEST(where_nobody_can_list_a_check_finds_what_is_lost)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    lister l = { .asked = 0 };
    prophet_transport t = { .ctx = &l, .put = lister_put };
    write_some(a, 5);
    ph_hex(ph_replica_key(a)->b, 32, l.key);
    begin(&t);
    CHECK_EQ_UINT(publish_there(a, false, false), 5);
    lose_the_segment(&l);
    CHECK_EQ_UINT(publish_there(a, false, false), 0);
    l.asked = 0;
    CHECK_EQ_UINT(publish_there(a, true, true), 5);
    CHECK(l.asked <= 12);
    CHECK_EQ_UINT(publish_there(a, true, false), 0);
    CHECK_EQ_UINT(pull(b, "d"), 5);
    CHECK(same(a, b));
    end();
    ph_replica_close(a);
    ph_replica_close(b);
}

/* Which database it is the root tells: the manifest is not asked for that. */
TEST(a_clone_asks_for_no_more_than_it_takes)
{
    ph_replica *a = fresh("a", NULL);
    lister l = { .asked = 0 };
    prophet_transport t = { .ctx = &l };
    ph_sync_report rep;
    char to[4200];
    write_some(a, 2);
    (void)publish(a, "d");
    begin(&t);
    (void)snprintf(to, sizeof to, "%s", place("clone"));
    CHECK_OK(ph_sync_clone("lister://d", to, NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 2);
    CHECK_EQ_UINT(l.asked, 4); /* the root twice, manifest, segment */
    ph_sync_report_clear(&rep);
    end();
    ph_replica_close(a);
}

/* Of one publisher. What the other has comes, and the reason is told. */
TEST(a_file_that_a_host_cannot_read_keeps_no_other_from_coming)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    char hex[65];
    lister l = { .broken = hex };
    prophet_transport t = { .ctx = &l, .put = lister_put };
    ph_sync_report rep;
    ph_hex(ph_replica_key(b)->b, 32, hex);
    write_some(a, 3);
    (void)publish(a, "d");
    write_some(b, 2);
    (void)publish(b, "d");
    begin(&t);
    for (int i = 0; i < 2; i++) {
        ph_replica *reader = fresh(i ? "reader" : "other", ph_replica_database(a));
        l.manifests = i;
        CHECK_CODE(ph_sync_pull(reader, "lister://d", NULL, &rep, &err), PROPHET_EIO, &err);
        CHECK_HAS(err.message, "permission denied");
        CHECK(rep.left_out);
        CHECK_EQ_UINT(version_of(reader), 3);
        ph_sync_report_clear(&rep);
        ph_replica_close(reader);
    }
    CHECK_CODE(ph_sync_publish(b, "lister://d", NULL, &rep, &err), PROPHET_EIO, &err);
    ph_sync_report_clear(&rep);
    end();
    ph_replica_close(a);
    ph_replica_close(b);
}
