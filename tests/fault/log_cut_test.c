/* Power cuts under the log alone: a writer runs with cut_preload.so (this program, started again),
 * then the directory is made to look as after a cut at a random moment and recovered. Every batch that
 * was told to be on disk is there, none is that was taken back, none was invented, there is no damage,
 * and the log goes on. The second test leaves the log's syncs out and must see it. Batches roll over
 * every few KiB, two handles write, some flushes fail and are repaired (PH_DEV builds). */
#include "cut_disk.h"
#include "fault.h"
#include "unit/log_place.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { STEPS = 220, ROLL = 9000, BATCHES = 1000, ENOUGH = 5 };

/* What the writer tells: 'f' n: all below n is on disk;  'u' n: attempt n was taken back. */
typedef struct told {
    char kind;
    uint32_t n;
} told;

/* ---- the writer ------------------------------------------------------------------------------------ */

typedef struct writer {
    ph_log *log[2];
    uint32_t attempt, flushed;
    int acks;
    ph_rng rng;
} writer;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "log_cut_test: %s: %s\n", what, err.message);
    _exit(1);
}

static void tell(const writer *w, char kind, uint32_t n)
{
    told t;

    memset(&t, 0, sizeof t);
    t.kind = kind;
    t.n = n;
    must(write(w->acks, &t, sizeof t) == (ssize_t)sizeof t, "acknowledge");
}

/* One frame: its attempt's number, then filling that follows from it. */
static void batch_of(uint32_t n, ph_buf *out)
{
    ph_rng rng;
    ph_buf frame = PH_BUF_INIT;

    ph_rng_seed(&rng, n);
    ph_buf_u32be(&frame, n);
    for (uint64_t left = ph_rng_below(&rng, n % 9 == 0 ? 3000 : 400); left > 0; left--)
        ph_buf_byte(&frame, (uint8_t)ph_rng_next(&rng));
    ph_buf_reset(out);
    (void)ph_log_payload_add(out, PH_FRAME_LOCAL, ph_buf_slice(&frame));
    ph_buf_clear(&frame);
}

static void write_one(writer *w, ph_log *log)
{
    ph_buf payload = PH_BUF_INIT;
    ph_position at;
    uint32_t n = w->attempt++;

    batch_of(n, &payload);
    must(ph_log_lock(log, 1000, &err) >= 0, "lock");
    must(ph_log_append(log, ph_buf_slice(&payload), 1, &at, &err) >= 0, "append");
    if (ph_rng_below(&w->rng, 8) == 0) {
        must(ph_log_undo(log, &err) >= 0, "undo");
        tell(w, 'u', n);
    }
    ph_log_unlock(log);
    ph_buf_clear(&payload);
}

static void mark_clean(ph_log *log, bool clean)
{
    ph_log_evidence e;

    must(ph_log_evidence_here(log, &e, &err) >= 0, "evidence");
    ph_log_end(log, &e.mark);
    e.clean = clean;
    must(ph_log_evidence_set(log, &e, &err) >= 0, "evidence");
}

static void writer_step(writer *w)
{
    ph_log *log = w->log[ph_rng_below(&w->rng, 2)];
    uint32_t upto;
    ph_mark end;

    write_one(w, log);
    if (ph_rng_below(&w->rng, 3) == 0)
        return; /* relaxed */
    upto = w->attempt;
    ph_log_end(log, &end);
    if (ph_rng_below(&w->rng, 12) == 0)
        ph_log_fault_at(PH_LOG_FAULT_SYNC, 1, 1, EIO);
    must(ph_log_flush(log, end.position, &err) >= 0, "flush");
    ph_log_fault_at(PH_LOG_FAULT_SYNC, 0, 0, 0);
    tell(w, 'f', upto);
    if (ph_rng_below(&w->rng, 10) == 0)
        mark_clean(log, true);
}

static _Noreturn void write_all(const char *dir, const char *acks, uint64_t seed)
{
    writer w = { .acks = open(acks, O_WRONLY | O_CREAT | O_APPEND, 0600) };

    must(w.acks >= 0, "open acks");
    ph_rng_seed(&w.rng, seed);
    must(ph_log_create(dir, &place_database, &err) >= 0, "create");
    for (int i = 0; i < 2; i++) {
        must(ph_log_open(dir, false, &w.log[i], &err) >= 0, "open");
        ph_log_roll_at(w.log[i], ROLL);
    }
    for (int i = 0; i < STEPS; i++)
        writer_step(&w);
    for (int i = 0; i < 2; i++)
        ph_log_close(w.log[i]);
    _exit(0);
}

/* Before main: this program is the writer when it is told so. */
__attribute__((constructor)) static void be_the_writer(void)
{
    const char *dir = getenv("PH_LOG_CUT_DIR"), *seed = getenv("PH_LOG_CUT_SEED");

    if (dir && seed)
        write_all(dir, getenv("PH_CUT_ACKS"), strtoull(seed, NULL, 10));
}

/* ---- the inspection ---------------------------------------------------------------------------------- */

static char why[400];

static const char *wrong(const char *what, uint32_t n)
{
    (void)snprintf(why, sizeof why, "%s (%u): %s", what, n, err.message);
    return why;
}

/* Reads all attempts that are there; NULL: every one as it was written. */
static const char *read_all(ph_log *log, bool present[BATCHES])
{
    ph_buf payload = PH_BUF_INIT;
    ph_log_cursor *c;
    ph_frame f;
    prophet_code rc;
    const char *bad = NULL;
    uint32_t n = 0;

    err.message[0] = 0;
    memset(present, 0, BATCHES * sizeof *present);
    if (ph_log_cursor_open(log, NULL, &c, &err) < 0)
        return wrong("no cursor", 0);
    while (!bad && (rc = ph_log_cursor_next(c, &f, &err)) == PROPHET_OK) {
        n = f.bytes.len >= 4 ? ph_u32be(f.bytes.data) : BATCHES;
        if (n >= BATCHES || present[n]) {
            bad = wrong("a batch nobody wrote", n);
            break;
        }
        batch_of(n, &payload);
        if (payload.len < f.bytes.len ||
            memcmp(payload.data + payload.len - f.bytes.len, f.bytes.data, f.bytes.len) != 0)
            bad = wrong("a batch with other bytes", n);
        present[n] = true;
    }
    if (!bad && rc < 0)
        bad = wrong("reading", n);
    ph_log_cursor_close(c);
    ph_buf_clear(&payload);
    return bad;
}

static const char *compare(const bool present[BATCHES], const told *t, size_t count)
{
    static bool undone[BATCHES];
    uint32_t flushed = 0, last = 0;

    memset(undone, 0, sizeof undone);
    for (size_t i = 0; i < count; i++) {
        if (t[i].kind == 'u')
            undone[t[i].n] = true;
        else if (t[i].n > flushed)
            flushed = t[i].n;
    }
    for (uint32_t n = 0; n < BATCHES; n++)
        last = present[n] ? n + 1 : last;
    for (uint32_t n = 0; n < BATCHES; n++) {
        if (undone[n] && present[n])
            return wrong("a batch that was taken back", n);
        if (!undone[n] && !present[n] && n < flushed)
            return wrong("a batch that was told to be on disk is gone", n);
        if (!undone[n] && !present[n] && n + 1 < last)
            return wrong("a batch is missing in between", n);
    }
    return NULL;
}

/* Recovers, reads, compares, goes on, recovers once more. NULL: all is well. */
static const char *inspect(const char *dir, const told *t, size_t count)
{
    static bool present[BATCHES], again[BATCHES];
    const char *bad = NULL;
    ph_position from, to;
    ph_log *log = NULL;

    err.message[0] = 0;
    if (ph_path_exists(place_file(dir, "lock")))
        place_poke(place_file(dir, "lock"), offsetof(ph_lock_page, boot), "another boot id.", 16);
    if (ph_log_open(dir, false, &log, &err) < 0)
        return count == 0 ? NULL : wrong("cannot open", 0); /* it was just being made */
    if (ph_log_lock(log, 0, &err) < 0)
        bad = wrong("cannot lock", 0);
    else if (ph_log_damage(log, &from, &to))
        bad = wrong("damage", (uint32_t)from);
    if (!bad && (bad = read_all(log, present)) == NULL &&
        (bad = compare(present, t, count)) == NULL) {
        ph_buf payload = PH_BUF_INIT;
        ph_position at;
        for (uint32_t n = BATCHES - 3; n < BATCHES && !bad; n++) {
            batch_of(n, &payload);
            if (ph_log_append(log, ph_buf_slice(&payload), 1, &at, &err) < 0)
                bad = wrong("cannot go on", n);
            present[n] = true;
        }
        ph_buf_clear(&payload);
    }
    if (log->locked)
        ph_log_unlock(log);
    if (!bad) {
        place_poke(place_file(dir, "lock"), offsetof(ph_lock_page, boot), "yet another one.", 16);
        if (ph_log_recover(log, &(ph_mark){ 0 }, &err) < 0)
            bad = wrong("the second recovery", 0);
        else if ((bad = read_all(log, again)) == NULL && memcmp(present, again, sizeof again) != 0)
            bad = wrong("the second recovery finds other batches", 0);
    }
    ph_log_close(log);
    return bad;
}

/* ---- the scenes ----------------------------------------------------------------------------------------- */

static void set_preload(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 20);

    REQUIRE(n > 0);
    path[n] = 0;
    for (int up = 0; up < 2; up++) /* build/tests/x -> build */
        *strrchr(path, '/') = 0;
    strncat(path, "/cut_preload.so", sizeof path - strlen(path) - 1);
    REQUIRE(setenv("LD_PRELOAD", path, 1) == 0);
}

static cut_disk *record(const char *dir, size_t *events)
{
    const char *trace = test_path("trace"), *acks = test_path("acks");
    char seed[32];
    int status = -1;
    pid_t child;

    if (fault_sanitized())
        test_skip("a sanitizer and the preload library both want to be first");
    REQUIRE(mkdir(dir, 0700) == 0);
    cut_disk *disk = cut_disk_new(dir);
    REQUIRE(disk != NULL);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)test_random());
    if ((child = fork()) == 0) {
        set_preload();
        bool set = setenv("PH_CUT_ROOT", dir, 1) == 0 && setenv("PH_CUT_TRACE", trace, 1) == 0 &&
                   setenv("PH_CUT_ACKS", acks, 1) == 0 && setenv("PH_LOG_CUT_DIR", dir, 1) == 0 &&
                   setenv("PH_LOG_CUT_SEED", seed, 1) == 0;
        if (set)
            (void)execl("/proc/self/exe", "log_cut_test", (char *)NULL);
        _exit(9);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(CHECK_EQ_INT(status, 0));
    *events = cut_disk_load(disk, trace);
    CHECK_MSG(*events > 500, "only %zu events were recorded", *events);
    return disk;
}

static int by_number(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

static size_t cut_often(const char *dir, cut_disk *disk, size_t events, size_t states, bool print)
{
    size_t *at = calloc(states, sizeof *at), bad = 0, len;

    REQUIRE(at != NULL);
    for (size_t i = 0; i < states; i++)
        at[i] = 1 + test_below(events);
    qsort(at, states, sizeof *at, by_number);
    for (size_t i = 0; i < states && bad < ENOUGH; i++) {
        cut_mode mode = (cut_mode)test_below(CUT_MODES);
        cut_disk_advance(disk, at[i]);
        REQUIRE(cut_disk_restore(disk, mode, test_below));
        const void *acks = cut_disk_acks(disk, &len);
        const char *failure = inspect(dir, acks, len / sizeof(told));
        bad += failure != NULL;
        if (failure && print)
            CHECK_MSG(false, "cut %zu before event %zu of %zu, mode %d: %s", i, at[i], events,
                      (int)mode, failure);
    }
    free(at);
    return bad;
}

TEST(the_log_survives_power_cuts)
{
    const char *dir = test_path("db");
    size_t events;
    cut_disk *disk = record(dir, &events);

    CHECK_EQ_UINT(cut_often(dir, disk, events, fault_count("PROPHET_TEST_CUTS", 100) * 2, true), 0);
    cut_disk_free(disk);
}

TEST(a_log_without_its_syncs_is_caught)
{
    const char *dir = test_path("db");
    size_t events;
    cut_disk *disk = record(dir, &events);

    cut_disk_forget_syncs(disk, "/log/");
    CHECK(cut_often(dir, disk, events, 200, false) > 0);
    cut_disk_free(disk);
}
