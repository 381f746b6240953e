/* The program that the fault tests start, kill and question. Speaks prophet.h alone.
 *
 *   fault_main make DIR ACKS              a replica with the type `item` and 20 records
 *   fault_main more DIR ACKS              some more of them
 *   fault_main clone SOURCE DIR           a clone of it
 *   fault_main write DIR ACKS             commits without end
 *   fault_main pull DIR ACKS SOURCE       writes to SOURCE and pulls from it without end
 *   fault_main scenario DIR ACKS SOURCE   a bit of everything, once
 *   fault_main rare DIR ACKS SOURCE       what happens seldom: copied, adopted, key lost, damaged, mended, rebuilt
 *   fault_main inspect                    commands on standard input, see inspect()
 *
 * A record of type item holds `n` and a text made of its id and n. ACKS gets a line before each write is tried ("a id n"),
 * for records that must come together ("p id id"), and a line when it was acknowledged ("c id n"). */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <ftw.h>
#include <prophet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 128, OWN = 4096 };

static prophet_error err;
static int acks = -1;
static prophet_uuid own[OWN]; /* records this process made, and their n */
static int64_t own_n[OWN];
static size_t own_count;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "fault_main: %s: %s %s\n", what, err.message, err.hint);
    exit(1);
}

static void must(prophet_code rc, const char *what)
{
    if (rc < 0)
        die(what);
}
#define MUST(call) must((call), #call)

static void tell(const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0 || write(acks, line, (size_t)n) != n)
        die("cannot write the acknowledgements");
}

static void tell_record(char kind, const prophet_uuid *id, int64_t n)
{
    char text[37];

    prophet_uuid_format(id, text);
    tell("%c %s %lld\n", kind, text, (long long)n);
}

/* A process that was killed while it wrote may have left part of a line: what follows begins on a line of its own. */
static void open_acks(const char *path)
{
    char last = '\n';

    if ((acks = open(path, O_RDWR | O_CREAT | O_APPEND, 0666)) < 0)
        die(path);
    off_t size = lseek(acks, 0, SEEK_END);
    if (size > 0 && pread(acks, &last, 1, size - 1) == 1 && last != '\n')
        tell("\n");
}

static prophet_db *open_replica(const char *path, bool create)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    o.create = create;
    o.user = "fault@example.org";
    must(prophet_open(path, &o, &db, &err), path);
    return db;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void text_of(const prophet_uuid *id, int64_t n, char out[TEXT])
{
    char name[37];

    prophet_uuid_format(id, name);
    (void)snprintf(out, TEXT, "item %s, state %lld, and some more text to fill a sector or two",
                   name, (long long)n);
}

static prophet_txn *begin(prophet_db *db)
{
    prophet_txn *t = NULL;

    MUST(prophet_txn_begin(db, NULL, &t, &err));
    return t;
}

static void put_new(prophet_txn *t, const prophet_uuid *id)
{
    char text[TEXT];
    prophet_field f[2];

    text_of(id, 1, text);
    f[0] = prophet_put("n", prophet_int(1));
    f[1] = prophet_put("text", prophet_text(text));
    MUST(prophet_txn_create(t, "item", id, f, 2, NULL, &err));
}

static void remember(const prophet_uuid *id)
{
    own[own_count % OWN] = *id;
    own_n[own_count++ % OWN] = 1;
}

static void create_one(prophet_db *db)
{
    prophet_uuid id;

    MUST(prophet_uuid_new(&id, &err));
    tell_record('a', &id, 1);
    prophet_txn *t = begin(db);
    put_new(t, &id);
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
    tell_record('c', &id, 1);
    remember(&id);
}

static void create_pair(prophet_db *db)
{
    prophet_uuid a, b;
    char ta[37], tb[37];

    MUST(prophet_uuid_new(&a, &err));
    MUST(prophet_uuid_new(&b, &err));
    prophet_uuid_format(&a, ta);
    prophet_uuid_format(&b, tb);
    tell_record('a', &a, 1);
    tell_record('a', &b, 1);
    tell("p %s %s\n", ta, tb);
    prophet_txn *t = begin(db);
    put_new(t, &a);
    put_new(t, &b);
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
    tell_record('c', &a, 1);
    tell_record('c', &b, 1);
    remember(&a);
    remember(&b);
}

static void update_one(prophet_db *db, size_t which)
{
    size_t i = which % (own_count < OWN ? own_count : OWN);
    int64_t n = own_n[i] + 1;
    char text[TEXT];
    prophet_edit e[2] = { { PROPHET_SET, prophet_put("n", prophet_nil()).name, prophet_int(n) },
                          { PROPHET_SET, prophet_put("text", prophet_nil()).name, prophet_nil() } };

    text_of(&own[i], n, text);
    e[1].value = prophet_text(text);
    tell_record('a', &own[i], n);
    prophet_txn *t = begin(db);
    MUST(prophet_txn_update(t, "item", &own[i], 0, e, 2, NULL, &err));
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
    tell_record('c', &own[i], n);
    own_n[i] = n;
}

static void work(prophet_db *db, size_t rounds)
{
    for (size_t i = 0; i < rounds; i++) {
        if (i % 7 == 3)
            create_pair(db);
        else if (i % 3 == 1 && own_count > 0)
            update_one(db, i * 31);
        else
            create_one(db);
    }
}

static void define(prophet_db *db)
{
    prophet_field n[3] = { prophet_put("name", prophet_text("n")),
                           prophet_put("kind", prophet_text("int")),
                           prophet_put("index", prophet_bool(true)) };
    prophet_field text[2] = { prophet_put("name", prophet_text("text")),
                              prophet_put("kind", prophet_text("string")) };
    prophet_value fields[2] = { prophet_map(n, 3), prophet_map(text, 2) };
    prophet_field item[2] = { prophet_put("name", prophet_text("item")),
                              prophet_put("fields", prophet_list(fields, 2)) };
    prophet_field probe[2] = { prophet_put("name", prophet_text("probe")),
                               prophet_put("fields", prophet_list(fields, 1)) };
    prophet_txn *t = begin(db);

    MUST(prophet_txn_define(t, prophet_map(item, 2), &err));
    MUST(prophet_txn_define(t, prophet_map(probe, 2), &err));
    MUST(prophet_txn_commit(t, NULL, NULL, &err));
}

/* ---- what the program is started for ------------------------------------------------------------- */

static void make(const char *dir, const char *ack_path)
{
    prophet_db *db = open_replica(dir, true);

    open_acks(ack_path);
    define(db);
    work(db, 20);
    prophet_close(db);
}

static void more(const char *dir, const char *ack_path)
{
    prophet_db *db = open_replica(dir, false);

    open_acks(ack_path);
    work(db, 12);
    prophet_close(db);
}

static void clone_it(const char *source, const char *dir)
{
    prophet_db *db = NULL;

    MUST(prophet_clone(source, dir, NULL, &db, NULL, &err));
    prophet_close(db);
}

static void write_forever(const char *dir, const char *ack_path)
{
    prophet_db *db = open_replica(dir, false);

    open_acks(ack_path);
    for (;;)
        work(db, 20);
}

/* The source's own acknowledgements say what the pull must bring; `from` is where the last pull had read to. */
static size_t pull_once(prophet_db *db, const char *source, const char *list, size_t from)
{
    static char lines[1 << 24];
    char id[40];
    size_t len = 0, at;
    long long n;
    FILE *f = fopen(list, "r");

    if (!f)
        die(list);
    len = fread(lines, 1, sizeof lines - 1, f);
    fclose(f);
    lines[len] = 0;
    for (at = from; at < len; at += strcspn(lines + at, "\n") + 1)
        if (lines[at] != 'c')
            tell("%.*s\n", (int)strcspn(lines + at, "\n"), lines + at);
    MUST(prophet_pull(db, source, NULL, NULL, &err));
    for (at = from; at < len; at += strcspn(lines + at, "\n") + 1)
        if (sscanf(lines + at, "c %39s %lld", id, &n) == 2)
            tell("c %s %lld\n", id, n);
    return len;
}

static void pull_forever(const char *dir, const char *ack_path, const char *source)
{
    char list[4096];
    size_t from = 0;

    /* One list for all pullers, one after another: what a killed one wrote to the source comes with the next pull. */
    (void)snprintf(list, sizeof list, "%s.list", source);
    prophet_db *db = open_replica(dir, false);
    for (;;) {
        prophet_db *other = open_replica(source, false);
        open_acks(list);
        work(other, 4);
        close(acks);
        prophet_close(other);
        open_acks(ack_path);
        from = pull_once(db, source, list, from);
        close(acks);
    }
}

static void scenario(const char *dir, const char *ack_path, const char *source)
{
    char list[4096];
    prophet_db *db = open_replica(dir, false);

    open_acks(ack_path);
    work(db, 14);
    (void)snprintf(list, sizeof list, "%s.acks", source);
    (void)pull_once(db, source, list, 0);
    work(db, 4);
    prophet_close(db);
    db = open_replica(dir, false);
    work(db, 6);
    MUST(prophet_rebuild(db, NULL, NULL, &err));
    work(db, 6);
    prophet_close(db);
}

/* ---- what happens seldom ------------------------------------------------------------------------- */

static void path_in(const char *dir, const char *name, char out[4200])
{
    (void)snprintf(out, 4200, "%s/%s", dir, name);
}

/* Another inode, as in a copied directory. */
static void copy_key(const char *dir)
{
    char from[4200], to[4200], text[4096];
    path_in(dir, "replica.key", from);
    path_in(dir, "replica.key.copy", to);
    int a = open(from, O_RDONLY), b = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = a < 0 ? -1 : read(a, text, sizeof text);

    if (n <= 0 || b < 0 || write(b, text, (size_t)n) != n || fsync(b) != 0 || rename(to, from) != 0)
        die("cannot copy the key");
    close(a), close(b);
}

/* Without its key it is refused: there is nothing to keep. */
static void adopt(const char *dir)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;
    char key[4200];

    o.readonly = true;
    must(prophet_open(dir, &o, &db, &err), dir);
    path_in(dir, "replica.key", key);
    if (access(key, F_OK) == 0)
        MUST(prophet_adopt(db, &err));
    else if (prophet_adopt(db, &err) != PROPHET_ENOTFOUND)
        die("a replica without a key was adopted");
    prophet_close(db);
}

/* Flips a bit in the text of a record that came from the source. */
static void damage(const char *dir, const char *source)
{
    static char log[1 << 24];
    char list[4200], path[4200], id[40], text[100];
    long long n;
    FILE *f;

    (void)snprintf(list, sizeof list, "%s.acks", source);
    path_in(dir, "log/00000001.log", path);
    if (!(f = fopen(list, "r")) || fscanf(f, "a %39s %lld", id, &n) != 2)
        die(list);
    fclose(f);
    (void)snprintf(text, sizeof text, "item %s, state", id);
    int fd = open(path, O_RDWR);
    ssize_t len = fd < 0 ? -1 : pread(fd, log, sizeof log, 0), at = 0;
    while (at + (ssize_t)strlen(text) <= len && memcmp(log + at, text, strlen(text)) != 0)
        at++;
    log[at] ^= 1;
    if (at + (ssize_t)strlen(text) > len || pwrite(fd, log + at, 1, at) != 1 || fsync(fd) != 0)
        die("cannot damage the log");
    close(fd);
}

static void some_work(const char *dir, bool expect_notice)
{
    prophet_db *db = open_replica(dir, false);

    if (!prophet_notice(db)[0] == expect_notice)
        die(expect_notice ? "it should say what happened" : prophet_notice(db));
    work(db, 4);
    prophet_close(db);
}

static void rare(const char *dir, const char *ack_path, const char *source)
{
    char key[4200], list[4200];
    prophet_doc *report = NULL;

    open_acks(ack_path);
    some_work(dir, false);
    copy_key(dir);
    some_work(dir, true);
    copy_key(dir);
    adopt(dir);
    some_work(dir, false);
    path_in(dir, "replica.key", key);
    if (unlink(key) != 0)
        die(key);
    some_work(dir, true);
    damage(dir, source);
    prophet_db *db = open_replica(dir, false);
    MUST(prophet_check(db, &report, &err));
    prophet_doc_free(report);
    work(db, 3);
    (void)snprintf(list, sizeof list, "%s.acks", source);
    (void)pull_once(db, source, list, 0);
    prophet_close(db);
    some_work(dir, false); /* the index is made anew from the mended log */
    db = open_replica(dir, false);
    MUST(prophet_rebuild(db, NULL, NULL, &err));
    work(db, 3);
    prophet_close(db);
}

/* ---- inspection ------------------------------------------------------------------------------------- */

static char verdict[1024];

static bool bad(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(verdict, sizeof verdict, fmt, ap); /* cut is fine: it is for a reader */
    va_end(ap);
    return false;
}

/* n of the record as it is now; 0: there is none; -1: it is not what anybody wrote. */
static int64_t state_of(prophet_db *db, const char *name)
{
    prophet_doc *doc = NULL;
    prophet_value n, text;
    prophet_uuid id;
    char want[TEXT];
    int64_t state = -1;

    MUST(prophet_uuid_parse(name, strlen(name), &id, &err));
    prophet_code rc = prophet_get(db, "item", prophet_ref(id), &doc, &err);
    if (rc == PROPHET_DONE)
        return 0;
    MUST(rc);
    if (prophet_doc_get(doc, "n", &n) && n.kind == PROPHET_INT &&
        prophet_doc_get(doc, "text", &text) && text.kind == PROPHET_TEXT) {
        text_of(&id, n.as.integer, want);
        if (text.as.bytes.len == strlen(want) &&
            memcmp(text.as.bytes.data, want, strlen(want)) == 0)
            state = n.as.integer;
    }
    prophet_doc_free(doc);
    return state;
}

/* Lines "e id low high": acknowledged up to low, tried up to high; "p id id": both or none. */
static bool check_records(prophet_db *db, const char *expected)
{
    char line[256], a[40], b[40];
    long long low, high;
    uint64_t found = 0, count = 0;
    bool ok = true;
    FILE *f = fopen(expected, "r");

    if (!f)
        return bad("no %s", expected);
    while (ok && fgets(line, sizeof line, f)) {
        if (sscanf(line, "e %39s %lld %lld", a, &low, &high) == 3) {
            int64_t n = state_of(db, a);
            found += n > 0;
            if (n < 0)
                ok = bad("record %s holds what nobody wrote", a);
            else if (n < low)
                ok = bad("record %s is lost or old: state %lld, acknowledged %lld", a, (long long)n,
                         low);
            else if (n > high)
                ok = bad("record %s is from the future: state %lld, tried %lld", a, (long long)n,
                         high);
        } else if (sscanf(line, "p %39s %39s", a, b) == 2 &&
                   (state_of(db, a) > 0) != (state_of(db, b) > 0)) {
            ok = bad("half a changeset: only one of %s and %s", a, b);
        }
    }
    fclose(f);
    prophet_field spec[1] = { prophet_put("type", prophet_text("item")) };
    if (ok && prophet_count(db, prophet_map(spec, 1), &count, &err) < 0)
        return bad("prophet_count: %s", err.message);
    if (ok && count != found)
        ok = bad("%llu records, %llu were written", (unsigned long long)count,
                 (unsigned long long)found);
    return ok;
}

static bool check_soundness(prophet_db *db)
{
    prophet_doc *report = NULL;
    prophet_value faults, notes, text;
    bool ok = true;

    if (prophet_check(db, &report, &err) < 0)
        return bad("prophet_check: %s", err.message);
    if (!prophet_doc_get(report, "faults", &faults) || faults.as.integer != 0) {
        ok = bad("prophet_check found faults");
        if (prophet_doc_get(report, "notes", &notes) && notes.kind == PROPHET_LIST &&
            notes.as.list.count > 0) {
            const prophet_value *note = &notes.as.list.items[0];
            for (size_t i = 0; note->kind == PROPHET_MAP && i < note->as.map.count; i++) {
                text = note->as.map.items[i].value;
                if (text.kind == PROPHET_TEXT)
                    (void)bad("prophet_check: %.*s", (int)text.as.bytes.len,
                              (const char *)text.as.bytes.data);
            }
        }
    }
    prophet_doc_free(report);
    return ok;
}

static bool check_going_on(prophet_db *db)
{
    prophet_field f[1] = { prophet_put("n", prophet_int(1)) };
    prophet_txn *t = NULL;
    prophet_uuid id;
    prophet_doc *doc = NULL;

    MUST(prophet_uuid_new(&id, &err));
    if (prophet_txn_begin(db, NULL, &t, &err) < 0)
        return bad("work does not go on: begin: %s", err.message);
    if (prophet_txn_create(t, "probe", &id, f, 1, NULL, &err) < 0) {
        prophet_txn_abort(t);
        return bad("work does not go on: create: %s", err.message);
    }
    if (prophet_txn_commit(t, NULL, NULL, &err) < 0)
        return bad("work does not go on: commit: %s", err.message);
    if (prophet_get(db, "probe", prophet_ref(id), &doc, &err) != PROPHET_OK)
        return bad("work does not go on: what was just written is not there");
    prophet_doc_free(doc);
    return true;
}

static bool inspect_one(const char *dir, const char *expected)
{
    prophet_options o = PROPHET_OPTIONS_INIT;
    prophet_db *db = NULL;

    if (prophet_open(dir, &o, &db, &err) < 0)
        return bad("prophet_open: %s", err.message);
    bool ok = check_records(db, expected) && check_soundness(db);
    if (ok && prophet_notice(db)[0])
        ok = bad("it says: %s", prophet_notice(db));
    ok = ok && check_going_on(db);
    prophet_close(db);
    return ok;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

/* Everything can be had from it: nothing is left without a signature. */
static bool check_clone(const char *dir, const char *expected)
{
    char path[4200];
    prophet_db *db = NULL;

    (void)snprintf(path, sizeof path, "%s.clone", dir);
    if (prophet_clone(dir, path, NULL, &db, NULL, &err) < 0)
        return bad("prophet_clone: %s", err.message);
    bool ok = check_records(db, expected);
    prophet_close(db);
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (!ok)
        memmove(verdict + 8, verdict, sizeof verdict - 9), memcpy(verdict, "clone:  ", 8);
    return ok;
}

/* The log may be damaged, and another key at work: looked through, mended, made anew, inspected, cloned. */
static bool inspect_rare(const char *dir, const char *expected, const char *source,
                         const char *before)
{
    prophet_doc *report = NULL;
    char key[4200];

    path_in(dir, "replica.key", key);
    if (before && strcmp(before, "adopt") == 0)
        adopt(dir);
    else if (before)
        (void)unlink(key); /* it may be gone already */
    prophet_db *db = open_replica(dir, false);
    MUST(prophet_check(db, &report, &err));
    prophet_doc_free(report);
    MUST(prophet_pull(db, source, NULL, NULL, &err));
    prophet_close(db);
    db = open_replica(dir, false);
    bool ok = check_records(db, expected) && check_soundness(db) && check_going_on(db);
    prophet_close(db);
    return ok && check_clone(dir, expected);
}

/* "DIR EXPECTED [SOURCE [adopt | lose]]" a line; lose: the key; answers "ok" or "bad REASON", a line each. */
static void inspect(void)
{
    char line[14000];

    while (fgets(line, sizeof line, stdin)) {
        char *rest = line, *dir = strtok_r(line, " \n", &rest);
        char *expected = strtok_r(NULL, " \n", &rest), *source = strtok_r(NULL, " \n", &rest);
        if (!dir || !expected)
            break;
        if (source ? inspect_rare(dir, expected, source, strtok_r(NULL, " \n", &rest))
                   : inspect_one(dir, expected))
            puts("ok");
        else
            printf("bad %s\n", verdict);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "make") == 0 && argc == 4)
        make(argv[2], argv[3]);
    else if (strcmp(what, "more") == 0 && argc == 4)
        more(argv[2], argv[3]);
    else if (strcmp(what, "clone") == 0 && argc == 4)
        clone_it(argv[2], argv[3]);
    else if (strcmp(what, "write") == 0 && argc == 4)
        write_forever(argv[2], argv[3]);
    else if (strcmp(what, "pull") == 0 && argc == 5)
        pull_forever(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "scenario") == 0 && argc == 5)
        scenario(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "rare") == 0 && argc == 5)
        rare(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "inspect") == 0)
        inspect();
    else
        die("see the comment at the top of the file");
    return 0;
}
