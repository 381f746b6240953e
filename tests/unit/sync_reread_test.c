/* Damage inside a batch of many changesets: what is still whole in it is kept, although no peer has it. */
#include "mending_place.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEW = 12 };

/* A replica that got `count` notes by one pull, so in one batch. */
static ph_replica *pulled_from(const char *source, const char *name, uint64_t count)
{
    ph_replica *from, *r;
    REQUIRE_OK(ph_replica_create(place(source), NULL, &err), &err);
    from = open_at(source);
    for (uint64_t i = 1; i <= count; i++) {
        write_one(from, i);
        if (i == count / 2 || i == count)
            REQUIRE_OK(ph_replica_sign(from, &err), &err);
    }
    REQUIRE_OK(ph_replica_create(place(name), ph_replica_database(from), &err), &err);
    r = open_at(name);
    pull(r, source);
    ph_replica_close(from);
    return r;
}

/* The same, and whom it got them from is gone. */
static ph_replica *pulled(const char *name, uint64_t count)
{
    char source[200];
    (void)snprintf(source, sizeof source, "%s-source", name);
    ph_replica *r = pulled_from(source, name, count);
    REQUIRE_OK(ph_dir_remove(place(source), &err), &err);
    return r;
}

static size_t log_bytes(const char *name, uint8_t **out)
{
    ph_buf b = PH_BUF_INIT;
    char path[4300];
    (void)snprintf(path, sizeof path, "%s/log/00000001.log", place(name));
    REQUIRE_OK(ph_file_slurp(path, 1 << 26, &b, &err), &err);
    *out = b.data;
    return b.len;
}

/* Where the text of a note lies in the file, for the first time. */
static size_t find_text(const char *name, const char *text)
{
    uint8_t *bytes;
    size_t len = log_bytes(name, &bytes), found = 0;
    for (size_t i = 0; i + strlen(text) <= len && !found; i++)
        if (memcmp(bytes + i, text, strlen(text)) == 0)
            found = i;
    ph_free(bytes);
    REQUIRE(found > 0);
    return found;
}

static void flip(const char *name, size_t offset)
{
    char path[4300];
    uint8_t byte;
    (void)snprintf(path, sizeof path, "%s/log/00000001.log", place(name));
    FILE *f = fopen(path, "r+b");
    REQUIRE(f && fseek(f, (long)offset, SEEK_SET) == 0 && fread(&byte, 1, 1, f) == 1);
    byte ^= 1;
    REQUIRE(fseek(f, (long)offset, SEEK_SET) == 0 && fwrite(&byte, 1, 1, f) == 1);
    REQUIRE(fclose(f) == 0);
}

static uint64_t notes(ph_replica *r)
{
    prophet_slice key, value;
    ph_cursor *cur;
    uint64_t n = 0;
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_cursor_open(v->txn, PH_T_RECORDS, &cur, &err), &err);
    prophet_code rc = ph_cursor_first(cur, &key, &value, &err);
    for (; rc == PROPHET_OK; rc = ph_cursor_next(cur, &key, &value, &err))
        n++;
    ph_cursor_close(cur);
    ph_view_end(v);
    return n;
}

static uint64_t version(ph_replica *r)
{
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    uint64_t n = v->state.version;
    ph_view_end(v);
    return n;
}

TEST(one_byte_takes_one_changeset_of_a_batch)
{
    uint8_t before[32], after[32];
    ph_replica *r = pulled("one", 50);
    digest_of(r, before);
    ph_replica_close(r);
    flip("one", find_text("one", "note 25 of"));
    r = open_at("one");
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    CHECK_EQ_UINT(notes(r), 50);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    CHECK_EQ_UINT(lost(r), 1);
    CHECK_EQ_UINT(notes(r), 49);
    CHECK_EQ_UINT(version(r), 50);
    digest_of(r, after);
    CHECK(memcmp(before, after, 32) == 0);
    write_one(r, 51);
    ph_replica_close(r);
    r = open_at("one");
    CHECK_EQ_UINT(notes(r), 50);
    CHECK_EQ_UINT(lost(r), 1);
    ph_replica_close(r);
}

TEST(what_was_read_again_is_served_with_its_signature)
{
    ph_replica *r = pulled("served", 30), *other;
    REQUIRE_OK(ph_replica_create(place("reader"), ph_replica_database(r), &err), &err);
    ph_replica_close(r);
    flip("served", find_text("served", "note 30 of"));
    r = open_at("served");
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    ph_replica_close(r);
    other = open_at("reader");
    pull(other, "served");
    CHECK_EQ_UINT(notes(other), 15); /* up to the last signature below the lost one */
    ph_replica_close(other);
}

static void write_big(ph_replica *r)
{
    ph_change_txn *c;
    ph_buf b = PH_BUF_INIT;
    char *text = malloc(1 << 20);
    REQUIRE(text != NULL);
    memset(text, 'x', 1 << 20);
    ph_put_text(&b, ph_slice(text, 1 << 20));
    ph_edit e = { PH_E_SET, ph_slice_str("name"), ph_buf_slice(&b) };
    REQUIRE_OK(ph_change_begin(r, ph_slice_str(""), &c, &err), &err);
    REQUIRE_OK(ph_change_create(c, ph_slice_str("_note"), NULL, &e, 1, NULL, &err), &err);
    REQUIRE_OK(ph_change_commit(c, NULL, NULL, &err), &err);
    ph_buf_clear(&b);
    free(text);
}

/* Lost, given back, and lost again, with more between than one transaction of a replay takes: its version is kept once. */
TEST(what_is_lost_twice_keeps_one_version)
{
    enum { BIG = (PH_BATCH_BYTES >> 20) + 2 };
    ph_replica *r = pulled_from("peer", "twice", 6);
    ph_replica_close(r);
    flip("twice", find_text("twice", "note 2 of"));
    r = open_at("twice");
    ph_log_roll_at(r->log, PH_LOG_FILE_SIZE);
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    for (int i = 0; i < BIG; i++)
        write_big(r);
    pull(r, "peer");
    CHECK_EQ_UINT(lost(r), 0);
    ph_replica_close(r);
    r = open_at("twice"); /* made anew */
    CHECK_EQ_UINT(version(r), 6 + BIG);
    ph_replica_close(r);
    flip("twice", find_text("twice", "note 2 of")); /* in the frame that gave it back */
    r = open_at("twice");
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    CHECK_EQ_UINT(lost(r), 1);
    CHECK_EQ_UINT(version(r), 6 + BIG);
    pull(r, "peer");
    CHECK_EQ_UINT(lost(r), 0);
    CHECK_EQ_UINT(version(r), 6 + BIG);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    CHECK_EQ_UINT(faults(r, true), 0);
    CHECK_EQ_UINT(notes(r), 6 + BIG);
    ph_replica_close(r);
}

static ph_id id_of(ph_replica *r, uint64_t n)
{
    ph_changeset_row row;
    ph_view *v;
    REQUIRE_OK(ph_view_begin(r, &v, &err), &err);
    REQUIRE_OK(ph_changesets_get(v->txn, n, &row, &err), &err);
    ph_view_end(v);
    return row.id;
}

/* The bytes of an id that lie in the file once: in the note. */
static size_t find_id(const char *name, const ph_id *id)
{
    uint8_t *bytes;
    size_t len = log_bytes(name, &bytes), found = 0;
    for (size_t i = 0; i + 32 <= len && !found; i++)
        if (memcmp(bytes + i, id->b, 32) == 0)
            found = i;
    ph_free(bytes);
    REQUIRE(found > 0);
    return found;
}

TEST(a_note_that_is_damaged_is_written_again)
{
    ph_replica *r = pulled_from("noted-peer", "noted", 8);
    ph_id id = id_of(r, 3);
    ph_replica_close(r);
    flip("noted", find_text("noted", "note 3 of"));
    r = open_at("noted");
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    ph_replica_close(r);
    flip("noted", find_id("noted", &id));
    r = open_at("noted");
    REQUIRE(faults(r, false) > 0);
    CHECK_EQ_UINT(lost(r), 1);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    CHECK_EQ_UINT(lost(r), 1);
    CHECK_EQ_UINT(version(r), 8);
    CHECK_EQ_UINT(notes(r), 7);
    pull(r, "noted-peer");
    CHECK_EQ_UINT(lost(r), 0);
    REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
    CHECK_EQ_UINT(faults(r, true), 0);
    CHECK_EQ_UINT(version(r), 8);
    CHECK_EQ_UINT(notes(r), 8);
    ph_replica_close(r);
}

/* What of the replica's directory a test may spoil. */
typedef struct kept {
    char name[8][64];
    ph_buf bytes[8];
    int count;
} kept;

static void keep_dir(kept *k, const char *dir, const char *prefix)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    REQUIRE(d != NULL);
    while ((e = readdir(d)) != NULL) {
        struct stat st;
        char path[4600];
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || strcmp(e->d_name, "replica.key") == 0)
            continue;
        REQUIRE(k->count < 8);
        (void)snprintf(k->name[k->count], sizeof k->name[0], "%s%.40s", prefix, e->d_name);
        REQUIRE_OK(ph_file_slurp(path, 1 << 26, &k->bytes[k->count++], &err), &err);
    }
    (void)closedir(d);
}

static void keep(kept *k, const char *name)
{
    char dir[4300];
    memset(k, 0, sizeof *k);
    (void)snprintf(dir, sizeof dir, "%s", place(name));
    keep_dir(k, dir, "");
    (void)snprintf(dir, sizeof dir, "%s/log", place(name));
    keep_dir(k, dir, "log/");
}

/* Written over, so that the files stay themselves: this is no copy. */
static void restore(const kept *k, const char *name)
{
    for (int i = 0; i < k->count; i++) {
        char path[4600];
        (void)snprintf(path, sizeof path, "%s/%s", place(name), k->name[i]);
        FILE *f = fopen(path, "r+b");
        if (!f)
            f = fopen(path, "wb"); /* an index that was replaced */
        REQUIRE(f && fwrite(k->bytes[i].data, 1, k->bytes[i].len, f) == k->bytes[i].len);
        REQUIRE(fflush(f) == 0 && ftruncate(fileno(f), (off_t)k->bytes[i].len) == 0);
        REQUIRE(fclose(f) == 0);
    }
}

static void forget(kept *k)
{
    for (int i = 0; i < k->count; i++)
        ph_buf_clear(&k->bytes[i]);
}

/* One flipped bit, wherever it is, costs at most the changeset or the signature it lies in; in the head of the batch it costs nothing. */
TEST(one_byte_anywhere_takes_at_most_one_changeset)
{
    uint8_t before[32], after[32];
    kept k;
    ph_replica *r = pulled("any", FEW);
    digest_of(r, before);
    ph_replica_close(r);
    size_t end = find_text("any", "note 12 of") + 180, whole = 0, rounds = 0;
    const size_t signature =
        find_text("any", "note 12 of") + 54; /* its text is the last of the last one */
    keep(&k, "any");
    for (size_t at = 64 + test_below(13); at < end; at += 13) {
        test_context("byte %zu", at);
        flip("any", at);
        r = open_at("any");
        (void)faults(r, false);
        CHECK(lost(r) <= 1);
        whole += lost(r) == 0;
        rounds++;
        REQUIRE_OK(ph_replica_rebuild(r, NULL, NULL, &err), &err);
        CHECK(lost(r) <= 1);
        CHECK_EQ_UINT(notes(r), FEW - lost(r));
        CHECK_EQ_UINT(version(r), FEW);
        digest_of(r, after);
        CHECK(memcmp(before, after, 32) == 0);
        CHECK(lost(r) || at > signature || faults(r, true) == 0);
        ph_replica_close(r);
        restore(&k, "any");
    }
    CHECK(whole > 0 && whole < rounds);
    forget(&k);
}
