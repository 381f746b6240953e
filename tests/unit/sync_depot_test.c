/* Depots: publishing from several sides, pulling, what merges, what is lost and comes back, what fails in the middle, and what is refused. */
#include "depot_place.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static prophet_code try_pull(ph_replica *r, const char *where)
{
    ph_sync_report rep;
    prophet_code rc = ph_sync_pull(r, place(where), NULL, &rep, &err);
    ph_sync_report_clear(&rep);
    return rc;
}

static void shell(const char *command, const char *a, const char *b)
{
    char text[9000];
    (void)snprintf(text, sizeof text, "%s '%s' '%s'", command, place(a), place(b));
    FILE *p = popen(text, "r"); /* a person would do just that */
    REQUIRE(p && pclose(p) == 0);
}

static void remove_at(const char *name)
{
    REQUIRE_OK(ph_dir_remove(place(name), &err), &err);
}

/* The files of a publisher, segments and manifest; the largest segment's path. */
static size_t files_of(const char *where, ph_replica *r, char *largest, size_t size)
{
    char dir[4400], hex[65], path[4700];
    struct stat st;
    off_t most = -1;
    size_t n = 0;
    ph_hex(ph_replica_key(r)->b, 32, hex);
    (void)snprintf(dir, sizeof dir, "%s/%s", place(where), hex);
    DIR *d = opendir(dir);
    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (largest && strlen(e->d_name) == 64 && stat(path, &st) == 0 && st.st_size > most) {
            most = st.st_size;
            (void)snprintf(largest, size, "%s", path);
        }
    }
    closedir(d);
    return n;
}

/* ---- going round ---------------------------------------------------------------------------------------------------- */

TEST(a_stick_between_two_that_never_meet)
{
    ph_replica *a = fresh("a", NULL), *b;
    ph_sync_report rep;
    write_some(a, 30);
    CHECK_EQ_UINT(publish(a, "stick.depot"), 30);
    REQUIRE_OK(ph_sync_clone(place("stick.depot"), place("b"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 30);
    ph_sync_report_clear(&rep);
    b = open_at("b");
    for (int i = 0; i < 10; i++) {
        write_some(a, test_below(4));
        write_some(b, 1 + test_below(4));
        (void)pull(b, "stick.depot");
        (void)publish(b, "stick.depot");
        (void)pull(a, "stick.depot");
        (void)publish(a, "stick.depot");
    }
    (void)pull(b, "stick.depot");
    CHECK(same(a, b));
    CHECK_EQ_UINT(pull(b, "stick.depot"), 0);
    CHECK_EQ_UINT(publish(b, "stick.depot"), 0);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(what_is_there_already_is_not_published_again)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    write_some(a, 5);
    CHECK_EQ_UINT(publish(a, "d"), 5);
    CHECK_EQ_UINT(pull(b, "d"), 5);
    CHECK_EQ_UINT(publish(b, "d"), 0);
    CHECK_EQ_UINT(files_of("d", b, NULL, 0), 0);
    write_some(b, 2);
    CHECK_EQ_UINT(publish(b, "d"), 2);
    CHECK_EQ_UINT(pull(a, "d"), 2);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(single_publishes_stay_few_files_and_short_reads)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    for (int i = 0; i < 300; i++) {
        write_some(a, 1);
        (void)publish(a, "d");
        if (i == 289)
            CHECK_EQ_UINT(pull(b, "d"), 290);
    }
    CHECK(files_of("d", a, NULL, 0) <= 9 + 1 + DEPOT_RETIRED_MAX);
    REQUIRE_OK(ph_sync_pull(b, place("d"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 10);
    CHECK(rep.bytes < 16384);
    ph_sync_report_clear(&rep);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(unchanged_files_are_never_rewritten)
{
    ph_replica *a = fresh("a", NULL);
    struct stat before, after;
    write_some(a, 3);
    (void)publish(a, "d");
    REQUIRE(stat(place("d/prophet-depot"), &before) == 0);
    (void)publish(a, "d");
    REQUIRE(stat(place("d/prophet-depot"), &after) == 0);
    CHECK(before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
    ph_replica_close(a);
}

/* Segments of two publishers that name each other's changesets. */
TEST(publishers_that_build_on_each_other)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a)), *c;
    ph_sync_report rep;
    for (int i = 0; i < 25; i++) {
        write_some(a, 1 + test_below(3));
        (void)publish(a, "d");
        (void)pull(b, "d");
        write_some(b, 1 + test_below(3));
        (void)publish(b, "d");
        (void)pull(a, "d");
    }
    REQUIRE_OK(ph_sync_clone(place("d"), place("c"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.held_back, 0);
    ph_sync_report_clear(&rep);
    c = open_at("c");
    CHECK(same(a, c));
    ph_replica_close(a);
    ph_replica_close(b);
    ph_replica_close(c);
}

typedef struct pour {
    ph_intake *in;
    ph_frame_context stream;
} pour;

static prophet_code pour_in(void *ctx, ph_frame_type type, prophet_slice frame, const ph_id *id,
                            prophet_error *e)
{
    pour *p = ctx;
    (void)id;
    return ph_intake_frame(p->in, type, frame, &p->stream, e);
}

/* One signature covers five; the publisher of the first three is read after that of the others. */
TEST(what_a_signature_proves_may_come_after_it)
{
    static const uint64_t first[] = { 1, 2, 3 }, last[] = { 4, 5 };
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_intake_report rep;
    pour p = { .in = NULL };
    ph_view *v;
    write_some(a, 5);
    REQUIRE_OK(ph_replica_sign(a, &err), &err);
    REQUIRE_OK(ph_intake_begin(b, &p.in, &err), &err);
    REQUIRE_OK(ph_view_begin(a, &v, &err), &err);
    REQUIRE_OK(ph_view_stream(v, last, 2, false, pour_in, &p, &err), &err);
    p.stream = (ph_frame_context){ .has_last = false };
    REQUIRE_OK(ph_view_stream(v, first, 3, false, pour_in, &p, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_intake_finish(p.in, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 5);
    CHECK_EQ_UINT(rep.unsigned_rest, 0);
    ph_intake_free(p.in);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

/* The signature that covers a's second changeset is on its third, which waits for b's: c has it without a proof. */
TEST(what_no_signature_here_proves_is_not_sent_on)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a)),
               *c = fresh("c", ph_replica_database(a)), *d = fresh("d", ph_replica_database(a));
    static const uint64_t some[] = { 1, 2, 4 };
    ph_intake_report rep;
    ph_sync_report sent;
    pour p = { .in = NULL };
    ph_view *v;
    write_some(a, 1);
    REQUIRE_OK(ph_replica_sign(a, &err), &err);
    write_some(a, 1);
    write_some(b, 1);
    CHECK_EQ_UINT(pull(a, "b"), 1);
    write_some(a, 1);
    REQUIRE_OK(ph_replica_sign(a, &err), &err);
    REQUIRE_OK(ph_intake_begin(c, &p.in, &err), &err);
    REQUIRE_OK(ph_view_begin(a, &v, &err), &err);
    REQUIRE_OK(ph_view_stream(v, some, 3, false, pour_in, &p, &err), &err);
    ph_view_end(v);
    REQUIRE_OK(ph_intake_finish(p.in, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 2);
    CHECK_EQ_UINT(rep.held_back, 1);
    ph_intake_free(p.in);
    CHECK_EQ_UINT(publish(c, "x"), 1);
    CHECK_EQ_UINT(pull(d, "x"), 1);
    REQUIRE_OK(ph_sync_bundle(c, place("y"), NULL, NULL, &sent, &err), &err);
    CHECK_EQ_UINT(sent.changesets, 1);
    CHECK_EQ_UINT(sent.unsigned_rest, 1);
    ph_sync_report_clear(&sent);
    CHECK_EQ_UINT(pull(d, "y"), 0);
    CHECK_EQ_UINT(publish(a, "x"),
                  4); /* its own first, too: that c has it there is only c's word */
    CHECK_EQ_UINT(pull(d, "x"), 3);
    CHECK_EQ_UINT(pull(c, "x"), 2);
    CHECK(same(a, d) && same(a, c));
    CHECK_EQ_UINT(publish(c, "x"), 0);
    ph_replica *all[] = { a, b, c, d };
    for (size_t i = 0; i < 4; i++)
        ph_replica_close(all[i]);
}

/* ---- what is lost ------------------------------------------------------------------------------------------------------ */

TEST(a_lost_segment_is_told_and_published_again_by_who_has_it)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a)),
               *c = fresh("c", ph_replica_database(a));
    ph_sync_report rep;
    char path[4700];
    write_some(a, 8);
    (void)publish(a, "d");
    (void)pull(b, "d");
    (void)files_of("d", a, path, sizeof path);
    REQUIRE(unlink(path) == 0);
    REQUIRE_OK(ph_sync_pull(c, place("d"), NULL, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 0);
    CHECK_HAS(rep.notice, "not there");
    ph_sync_report_clear(&rep);
    CHECK_EQ_UINT(publish(b, "d"), 8);
    CHECK_EQ_UINT(pull(c, "d"), 8);
    CHECK(same(b, c));
    ph_replica_close(a);
    ph_replica_close(b);
    ph_replica_close(c);
}

/* Every publish looks, by the listing that it makes anyway: no --check is needed. */
TEST(own_segments_that_are_gone_cut_or_padded_are_put_there_again)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    const ph_sync_options dry = { .dry_run = true };
    ph_sync_report rep;
    char path[4700];
    write_some(a, 8);
    (void)publish(a, "d");
    (void)files_of("d", a, path, sizeof path);
    for (int i = 0; i < 3; i++) {
        struct stat st;
        REQUIRE(stat(path, &st) == 0);
        REQUIRE(i == 0 ? unlink(path) == 0 : truncate(path, st.st_size + (i == 1 ? -1 : 1)) == 0);
        for (int real = 0; real < 2; real++) {
            REQUIRE_OK(ph_sync_publish(a, place("d"), real ? NULL : &dry, &rep, &err), &err);
            CHECK_EQ_UINT(rep.changesets, 8);
            CHECK_HAS(rep.notice, "1 segments of this replica are gone or cut");
            ph_sync_report_clear(&rep);
        }
        REQUIRE(stat(path, &st) == 0);
        struct timespec written = st.st_mtim;
        REQUIRE_OK(ph_sync_publish(a, place("d"), NULL, &rep, &err), &err); /* and that was all */
        CHECK_EQ_STR(rep.notice, "");
        CHECK_EQ_UINT(rep.changesets, 0);
        ph_sync_report_clear(&rep);
        REQUIRE(stat(path, &st) == 0);
        CHECK(memcmp(&written, &st.st_mtim, sizeof written) == 0);
    }
    CHECK_EQ_UINT(pull(b, "d"), 8);
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_lost_root_or_manifest_is_mended)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    char name[200], hex[65];
    write_some(a, 4);
    (void)publish(a, "d");
    REQUIRE(unlink(place("d/prophet-depot")) == 0);
    CHECK_EQ_UINT(publish(a, "d"), 0);
    CHECK(ph_path_exists(place("d/prophet-depot")));
    CHECK_EQ_UINT(pull(b, "d"), 4);
    ph_hex(ph_replica_key(a)->b, 32, hex);
    (void)snprintf(name, sizeof name, "d/%s/manifest", hex);
    REQUIRE(unlink(place(name)) == 0);
    write_some(a, 1);
    CHECK_EQ_UINT(publish(a, "d"), 5);
    CHECK_EQ_UINT(pull(b, "d"), 1);
    REQUIRE_OK(ph_file_replace(place("d/prophet-depot"), ph_slice("rubbish", 7), 0644, &err), &err);
    CHECK_EQ_UINT(pull(b, "d"), 0);
    CHECK_EQ_UINT(publish(a, "d"), 0);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_depot_that_went_back_is_warned_about)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    ph_sync_report rep;
    write_some(a, 2);
    (void)publish(a, "d");
    shell("cp -a", "d", "old");
    write_some(a, 2);
    (void)publish(a, "d");
    CHECK_EQ_UINT(pull(b, "d"), 4);
    remove_at("d");
    shell("cp -a", "old", "d");
    REQUIRE_OK(ph_sync_pull(b, place("d"), NULL, &rep, &err), &err);
    CHECK_HAS(rep.notice, "went back");
    ph_sync_report_clear(&rep);
    CHECK_EQ_UINT(publish(a, "d"), 2);
    REQUIRE_OK(ph_sync_pull(b, place("d"), NULL, &rep, &err), &err);
    CHECK_EQ_STR(rep.notice, "");
    ph_sync_report_clear(&rep);
    ph_replica_close(a);
    ph_replica_close(b);
}

/* DESIGN 6 [17]: the manifest names what the restored backup lacks. */
TEST(a_restored_backup_pulls_before_it_publishes)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    write_some(a, 3);
    ph_replica_close(a);
    shell("cp -a", "a", "backup");
    a = open_at("a");
    write_some(a, 4);
    (void)publish(a, "d");
    ph_replica_close(a);
    remove_at("a");
    shell("cp -a", "backup", "a");
    REQUIRE_OK(ph_replica_adopt(place("a"), &err), &err);
    a = open_at("a");
    write_some(a, 2);
    (void)publish(a, "d");
    (void)pull(b, "d");
    CHECK(same(a, b));
    CHECK(version_of(b) >= 9);
    ph_replica_close(a);
    ph_replica_close(b);
}

/* ---- who fails in the middle ------------------------------------------------------------------------------ */

#ifdef PH_DEV
/* The nth step of the disk fails; whatever is left behind, others can pull, and the next publish makes it whole. */
TEST(a_publisher_that_fails_at_any_step)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    uint64_t nth = 1;
    for (bool failed = true; failed && nth < 400; nth++) {
        ph_sync_report rep;
        write_some(a, 1);
        REQUIRE_OK(ph_replica_sign(a, &err), &err);
        ph_file_fail_at(nth, EIO);
        failed = ph_sync_publish(a, place("d.depot"), NULL, &rep, &err) < 0;
        ph_file_fail_at(0, 0);
        ph_sync_report_clear(&rep);
        if (ph_path_exists(place("d.depot/prophet-depot")))
            (void)pull(b, "d.depot");
        ph_replica_close(a); /* a failed flush of the note is mended by the next open */
        a = open_at("a");
    }
    CHECK(nth > 3);
    (void)publish(a, "d.depot");
    (void)pull(b, "d.depot");
    CHECK(same(a, b));
    ph_replica_close(a);
    ph_replica_close(b);
}
#endif

/* ---- refusals ------------------------------------------------------------------------------------------------------------------ */

typedef struct world {
    ph_replica *a, *b;
    char segment[4700], manifest[4700];
    ph_buf bytes;
} world;

static void begin(world *w)
{
    char hex[65];
    memset(w, 0, sizeof *w);
    w->a = fresh("a", NULL);
    w->b = fresh("b", ph_replica_database(w->a));
    write_some(w->a, 6);
    (void)publish(w->a, "d");
    (void)files_of("d", w->a, w->segment, sizeof w->segment);
    ph_hex(ph_replica_key(w->a)->b, 32, hex);
    (void)snprintf(w->manifest, sizeof w->manifest, "%s/%s/manifest", place("d"), hex);
}

static void end(world *w)
{
    ph_buf_clear(&w->bytes);
    ph_replica_close(w->a);
    ph_replica_close(w->b);
}

static void load(world *w, const char *path)
{
    ph_buf_reset(&w->bytes);
    REQUIRE_OK(ph_file_slurp(path, 1u << 24, &w->bytes, &err), &err);
}

static void refused(world *w, const char *path, prophet_code code, const char *why)
{
    REQUIRE_OK(ph_file_replace(path, ph_buf_slice(&w->bytes), 0644, &err), &err);
    CHECK_CODE(try_pull(w->b, "d"), code, &err);
    CHECK_HAS(err.message, why);
    CHECK_EQ_UINT(version_of(w->b), 0);
}

TEST(segments_that_are_not_what_they_should_be)
{
    world w;
    begin(&w);
    load(&w, w.segment);
    size_t len = w.bytes.len;
    w.bytes.len = len - 1;
    refused(&w, w.segment, PROPHET_ECORRUPT, "cut short");
    w.bytes.len = len;
    ph_buf_byte(&w.bytes, 0);
    refused(&w, w.segment, PROPHET_ECORRUPT, "longer than its manifest says");
    w.bytes.len = len;
    w.bytes.data[len / 2] ^= 4;
    refused(&w, w.segment, PROPHET_ECORRUPT, "");
    w.bytes.data[len / 2] ^= 4;
    REQUIRE_OK(ph_file_replace(w.segment, ph_buf_slice(&w.bytes), 0644, &err), &err);
    CHECK_EQ_UINT(pull(w.b, "d"), 6); /* the next pull goes on */
    end(&w);
}

TEST(manifests_that_are_not_what_they_should_be)
{
    world w;
    begin(&w);
    load(&w, w.manifest);
    size_t len = w.bytes.len;
    w.bytes.data[len - 1] ^= 1;
    refused(&w, w.manifest, PROPHET_EUNTRUSTED, "signature");
    w.bytes.data[len - 1] ^= 1;
    w.bytes.data[len - 100] ^= 1;
    REQUIRE_OK(ph_file_replace(w.manifest, ph_buf_slice(&w.bytes), 0644, &err), &err);
    CHECK(try_pull(w.b, "d") < 0);
    w.bytes.data[len - 100] ^= 1;
    w.bytes.len = len / 2;
    refused(&w, w.manifest, PROPHET_ECORRUPT, "not well-formed");
    w.bytes.len = len;
    w.bytes.data[2] = 9;
    refused(&w, w.manifest, PROPHET_EVERSION, "format 9");
    w.bytes.data[2] = 1;
    end(&w);
}

TEST(one_bad_publisher_does_not_keep_the_others_out)
{
    world w;
    begin(&w);
    ph_replica *c = fresh("c", ph_replica_database(w.a));
    write_some(c, 3);
    CHECK_EQ_UINT(publish(c, "d"), 3);
    load(&w, w.manifest);
    w.bytes.data[w.bytes.len - 1] ^= 1;
    REQUIRE_OK(ph_file_replace(w.manifest, ph_buf_slice(&w.bytes), 0644, &err), &err);
    CHECK_CODE(try_pull(w.b, "d"), PROPHET_EUNTRUSTED, &err);
    CHECK_EQ_UINT(version_of(w.b), 3);
    ph_replica_close(c);
    end(&w);
}

TEST(another_database_and_what_is_no_depot)
{
    world w;
    ph_sync_report rep;
    begin(&w);
    ph_replica *other = fresh("other", NULL);
    write_some(other, 1);
    CHECK_CODE(try_pull(other, "d"), PROPHET_EUNRELATED, &err);
    CHECK_CODE(ph_sync_publish(other, place("d"), NULL, &rep, &err), PROPHET_EUNRELATED, &err);
    CHECK_EQ_UINT(version_of(other), 1);
    CHECK_CODE(ph_sync_publish(other, place("a"), NULL, &rep, &err), PROPHET_EUSAGE, &err);
    REQUIRE(mkdir(place("empty"), 0755) == 0);
    CHECK_CODE(try_pull(other, "empty"), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(try_pull(other, "none.depot"), PROPHET_ENOTFOUND, &err);
    CHECK_CODE(ph_sync_clone(place("empty"), place("new"), NULL, &rep, &err), PROPHET_ENOTFOUND,
               &err);
    CHECK(!ph_path_exists(place("new")));
    ph_replica_close(other);
    end(&w);
}

#ifdef PH_DEV
TEST(a_full_disk_is_told_and_the_next_pull_goes_on)
{
    world w;
    uint64_t full = 0;
    begin(&w);
    for (uint64_t nth = 1; nth < 6; nth++) {
        write_some(w.a, 3);
        (void)publish(w.a, "d");
        ph_file_fail_at(nth, ENOSPC);
        prophet_code rc = try_pull(w.b, "d");
        ph_file_fail_at(0, 0);
        CHECK(rc >= 0 || rc == PROPHET_EFULL);
        full += rc == PROPHET_EFULL;
        ph_replica_close(w.b);
        w.b = open_at("b");
        (void)pull(w.b, "d");
        CHECK(same(w.a, w.b));
    }
    CHECK(full > 0);
    end(&w);
}
#endif

TEST(a_dry_run_writes_nothing)
{
    const ph_sync_options dry = { .dry_run = true };
    world w;
    ph_sync_report rep;
    begin(&w);
    REQUIRE_OK(ph_sync_pull(w.b, place("d"), &dry, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 6);
    CHECK_EQ_UINT(version_of(w.b), 0);
    ph_sync_report_clear(&rep);
    REQUIRE_OK(ph_sync_publish(w.a, place("n.depot"), &dry, &rep, &err), &err);
    CHECK_EQ_UINT(rep.changesets, 6);
    CHECK(!ph_path_exists(place("n.depot")));
    ph_sync_report_clear(&rep);
    end(&w);
}

/* ---- sealed ---------------------------------------------------------------------------------------------------------------------- */

static prophet_code with_key(ph_replica *r, const char *depot_name, const char *key,
                             bool publish_it)
{
    char path[4300];
    (void)snprintf(path, sizeof path, "%s", place(key));
    const ph_sync_options o = { .seal = path };
    ph_sync_report rep;
    prophet_code rc = publish_it ? ph_sync_publish(r, place(depot_name), &o, &rep, &err)
                                 : ph_sync_pull(r, place(depot_name), &o, &rep, &err);
    if (rc >= 0)
        CHECK(!strstr(rep.notice, "can read"));
    ph_sync_report_clear(&rep);
    return rc;
}

/* Nothing that is in the files or their names may be found by who has not the key. */
static void check_hidden(const char *depot_name, ph_replica *r)
{
    char command[9000], hex[65];
    ph_hex(ph_replica_key(r)->b, 32, hex);
    (void)snprintf(command, sizeof command, "ls -R '%s' | grep -q %s", place(depot_name), hex);
    FILE *p = popen(command, "r");
    CHECK(p && pclose(p) != 0);
    (void)snprintf(command, sizeof command,
                   "find '%s' -type f | while read f; do test $(head -c 11 \"$f\") = prophetseal "
                   "|| echo; done | grep -q .",
                   place(depot_name));
    p = popen(command, "r");
    CHECK(p && pclose(p) != 0);
}

static void go_round_sealed(const char *depot_name, const char *key)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    for (int i = 0; i < 6; i++) {
        write_some(a, 1 + 300 * (i == 2));
        write_some(b, 1);
        CHECK_OK(with_key(a, depot_name, key, true), &err);
        CHECK_OK(with_key(b, depot_name, key, false), &err);
        CHECK_OK(with_key(b, depot_name, key, true), &err);
        CHECK_OK(with_key(a, depot_name, key, false), &err);
        CHECK(same(a, b));
    }
    check_hidden(depot_name, a);
    check_hidden(depot_name, b);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(a_sealed_depot_goes_round)
{
    REQUIRE_OK(ph_sync_key_new(place("key"), NULL, &err), &err);
    CHECK_CODE(ph_sync_key_new(place("key"), NULL, &err), PROPHET_EEXISTS, &err);
    struct stat st;
    CHECK(stat(place("key"), &st) == 0 && (st.st_mode & 0777) == 0600);
    go_round_sealed("s.depot", "key");
}

TEST(a_depot_sealed_with_a_passphrase_goes_round)
{
    CHECK_CODE(ph_sync_key_new(place("key"), "", &err), PROPHET_EUSAGE, &err);
    CHECK_CODE(ph_sync_key_new(place("key"), "two\nlines", &err), PROPHET_EUSAGE, &err);
    REQUIRE_OK(ph_sync_key_new(place("key"), "correct horse", &err), &err);
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    write_some(a, 3);
    CHECK_OK(with_key(a, "s.depot", "key", true), &err);
    REQUIRE(unlink(place("s.depot/prophet-depot")) == 0); /* the salt is in every file */
    CHECK_OK(with_key(b, "s.depot", "key", false), &err);
    CHECK(same(a, b));
    REQUIRE_OK(ph_sync_key_new(place("other"), "wrong horse", &err), &err);
    CHECK_CODE(with_key(b, "s.depot", "other", false), PROPHET_EUNTRUSTED, &err);
    ph_replica_close(a);
    ph_replica_close(b);
}

TEST(without_the_right_key_nothing_is_read_or_written)
{
    ph_replica *a = fresh("a", NULL), *b = fresh("b", ph_replica_database(a));
    char path[4700];
    ph_buf bytes = PH_BUF_INIT;
    REQUIRE_OK(ph_sync_key_new(place("key"), NULL, &err), &err);
    REQUIRE_OK(ph_sync_key_new(place("other"), NULL, &err), &err);
    write_some(a, 5);
    write_some(b, 1);
    REQUIRE_OK(with_key(a, "s.depot", "key", true), &err);
    CHECK_CODE(with_key(b, "s.depot", "other", false), PROPHET_EUNTRUSTED, &err);
    CHECK_CODE(with_key(b, "s.depot", "other", true), PROPHET_EUNTRUSTED, &err);
    CHECK_CODE(try_pull(b, "s.depot"), PROPHET_EUNTRUSTED, &err);
    CHECK_HAS(err.message, "sealed");
    (void)publish(a, "plain.depot");
    CHECK_CODE(with_key(b, "plain.depot", "key", false), PROPHET_EUNTRUSTED, &err);
    CHECK_CODE(with_key(b, "plain.depot", "key", true), PROPHET_EUNTRUSTED, &err);
    CHECK_CODE(with_key(b, "s.depot", "none", false), PROPHET_ENOTFOUND, &err);
    REQUIRE_OK(ph_file_replace(place("bad"), ph_slice("letter\n", 7), 0600, &err), &err);
    CHECK_CODE(with_key(b, "s.depot", "bad", false), PROPHET_EUSAGE, &err);
    CHECK_EQ_UINT(version_of(b), 1);
    /* a flipped bit anywhere in any sealed file */
    (void)snprintf(path, sizeof path, "%s", place("s.depot/prophet-depot"));
    REQUIRE_OK(ph_file_slurp(path, 1u << 20, &bytes, &err), &err);
    for (size_t i = 0; i < bytes.len; i += 3) {
        bytes.data[i] ^= 1;
        REQUIRE_OK(ph_file_replace(path, ph_buf_slice(&bytes), 0644, &err), &err);
        bytes.data[i] ^= 1;
        prophet_code rc = with_key(b, "s.depot", "key", false);
        CHECK(rc >= 0 || rc == PROPHET_EUNTRUSTED || rc == PROPHET_EVERSION);
    }
    REQUIRE_OK(ph_file_replace(path, ph_buf_slice(&bytes), 0644, &err), &err);
    CHECK_OK(with_key(b, "s.depot", "key", false), &err);
    CHECK_EQ_UINT(version_of(b), 6);
    ph_buf_clear(&bytes);
    ph_replica_close(a);
    ph_replica_close(b);
}
