/* The program: seeds in parallel, each in a process of its own; a seed that fails is printed and shrunk.
 *
 *   simulator [--seeds N] [--seed S] [--from S] [--jobs N] [--keep LIST] [--verbose]
 *     --seeds  how many (default: $PROPHET_TEST_SEEDS, else 100)      --from  the first one
 *     --seed   just this one, in this process                         --keep  only these actions of it: 0,3,17
 *     --no-shrink  print only                                         --first  stop at the first failure, print only */
#include "simulator.h"
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_A_SEED 120
#define SHRINK_RUNS    400

typedef struct options {
    uint64_t from, seeds;
    unsigned jobs;
    bool single, verbose, shrink, first;
    const char *keep;
    char base[400];
} options;

/* ---- one seed ----------------------------------------------------------------------------------------------- */

static void run_seed(uint64_t seed, const bool *keep, const char *dir, bool verbose)
{
    static sim s;
    sim_plan plan;
    unsigned replicas;
    memset(&s, 0, sizeof s);
    s.seed = seed;
    s.dir = dir;
    s.verbose = verbose;
    sim_plan_make(seed, &plan, &replicas);
    sim_start(&s, replicas);
    for (size_t i = 0; i < plan.count; i++) {
        if (keep && !keep[i])
            continue;
        sim_reseed(&s, i + 1, plan.verbs[i]->name);
        plan.verbs[i]->run(&s);
    }
    sim_reseed(&s, plan.count + 1, "end");
    sim_final(&s);
    sim_stop(&s);
    free(plan.verbs);
}

/* In a child: its output goes to `out`. */
static pid_t start_seed(const options *o, uint64_t seed, const bool *keep, const char *out)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char dir[450];
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, 2) < 0)
        _exit(2);
    (void)snprintf(dir, sizeof dir, "%s/%d", o->base, (int)getpid());
    if (mkdir(dir, 0700) != 0)
        _exit(2);
    alarm(SECONDS_A_SEED);
    run_seed(seed, keep, dir, false);
    exit(0); /* not _exit: sanitizers look for leaks */
}

static void clean_up(const options *o, pid_t pid)
{
    char dir[450];
    (void)snprintf(dir, sizeof dir, "%s/%d", o->base, (int)pid);
    if (ph_path_exists(dir))
        (void)ph_dir_remove(dir, NULL);
}

static void print_file(const char *path)
{
    ph_buf text = PH_BUF_INIT;
    if (ph_file_slurp(path, 1 << 20, &text, NULL) >= 0)
        (void)fwrite(text.data, 1, text.len < 6000 ? text.len : 6000, stdout);
    ph_buf_clear(&text);
    fflush(stdout);
}

/* ---- shrinking: leave out actions while it still fails ----------------------------------------------------------- */

/* What went wrong, without the names and numbers in it: the words after "): ". */
static void kind_of(const char *path, char out[32])
{
    ph_buf text = PH_BUF_INIT;
    char *at = NULL;
    size_t n = 0;
    if (ph_file_slurp(path, 1 << 20, &text, NULL) >= 0) {
        ph_buf_byte(&text, 0);
        at = text.failed ? NULL : strstr((char *)text.data, "): ");
    }
    for (at = at ? at + 3 : NULL; at && *at && n < 16; at++)
        if (*at >= 'a' && *at <= 'z')
            out[n++] = *at;
    out[n] = 0;
    ph_buf_clear(&text);
}

static bool fails(const options *o, uint64_t seed, const bool *keep, const char *kind)
{
    char found[32];
    char out[450];
    int status;
    (void)snprintf(out, sizeof out, "%s/shrink", o->base);
    pid_t pid = start_seed(o, seed, keep, out);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    clean_up(o, pid);
    kind_of(out, found);
    return (!WIFEXITED(status) || WEXITSTATUS(status) != 0) && strcmp(found, kind) == 0;
}

static void shrink(const options *o, uint64_t seed, const char *kind)
{
    sim_plan plan;
    unsigned replicas, runs = 0;
    sim_plan_make(seed, &plan, &replicas);
    bool *keep = malloc(plan.count * sizeof *keep), *trial = malloc(plan.count * sizeof *trial);
    if (!keep || !trial)
        abort();
    memset(keep, true, plan.count);
    for (size_t width = plan.count / 2; width > 0 && runs < SHRINK_RUNS;) {
        bool any = false;
        for (size_t at = 0; at < plan.count && runs < SHRINK_RUNS; at += width) {
            size_t gone = 0;
            memcpy(trial, keep, plan.count);
            for (size_t i = at; i < at + width && i < plan.count; i++) {
                gone += trial[i];
                trial[i] = false;
            }
            if (gone && (runs++, fails(o, seed, trial, kind))) {
                memcpy(keep, trial, plan.count);
                any = true;
            }
        }
        if (!any || width > 1)
            width = width == 1 && any ? 1 : width / 2;
    }
    printf("  shrunk, of %u replicas and %zu actions:", replicas, plan.count);
    for (size_t i = 0; i < plan.count; i++)
        if (keep[i])
            printf(" %zu:%s", i + 1, plan.verbs[i]->name);
    printf("\n  simulator --seed %llu --keep 0", (unsigned long long)seed);
    for (size_t i = 0; i < plan.count; i++)
        if (keep[i])
            printf(",%zu", i + 1);
    printf("\n");
    char out[450];
    (void)fails(o, seed, keep, kind);
    (void)snprintf(out, sizeof out, "%s/shrink", o->base);
    print_file(out);
    free(keep);
    free(trial);
    free(plan.verbs);
}

/* ---- many seeds --------------------------------------------------------------------------------------------------- */

typedef struct job {
    pid_t pid;
    uint64_t seed;
    char out[450];
} job;

static bool finish_one(const options *o, job *jobs, size_t *running, uint64_t *failed)
{
    int status;
    char kind[32];
    pid_t pid = waitpid(-1, &status, 0);
    for (size_t i = 0; i < *running; i++) {
        if (jobs[i].pid != pid)
            continue;
        clean_up(o, pid);
        bool bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        if (bad) {
            printf("seed %llu failed", (unsigned long long)jobs[i].seed);
            if (WIFSIGNALED(status))
                printf(", signal %d", WTERMSIG(status));
            printf("\n");
            print_file(jobs[i].out);
            kind_of(jobs[i].out, kind);
            if ((*failed)++ < 3 && o->shrink)
                shrink(o, jobs[i].seed, kind);
        }
        (void)unlink(jobs[i].out);
        jobs[i] = jobs[--*running];
        return true;
    }
    return pid > 0;
}

static int run_many(const options *o)
{
    job jobs[64];
    size_t running = 0;
    uint64_t failed = 0, next = o->from, end = o->from + o->seeds;
    uint64_t begin = ph_monotonic_us();
    while (next < end || running) {
        while (running < o->jobs && next < end &&
               (failed == 0 || (!o->first && (failed < 3 || !o->shrink)))) {
            job *j = &jobs[running];
            j->seed = next++;
            (void)snprintf(j->out, sizeof j->out, "%s/out-%llu", o->base,
                           (unsigned long long)j->seed);
            if ((j->pid = start_seed(o, j->seed, NULL, j->out)) < 0)
                return 2;
            running++;
        }
        if (!running || !finish_one(o, jobs, &running, &failed))
            break;
    }
    printf("%llu seeds from %llu, %llu failed, %.1f s\n", (unsigned long long)(next - o->from),
           (unsigned long long)o->from, (unsigned long long)failed,
           (double)(ph_monotonic_us() - begin) / 1e6);
    return failed ? 1 : 0;
}

static int run_single(const options *o)
{
    bool keep[1000] = { false };
    char dir[450];
    for (const char *p = o->keep; p && *p;) {
        char *after;
        unsigned long n = strtoul(p, &after, 10);
        if (n > 0 && n <= 1000)
            keep[n - 1] = true;
        p = *after ? after + 1 : after;
        if (after == p)
            break;
    }
    (void)snprintf(dir, sizeof dir, "%s/single", o->base);
    if (mkdir(dir, 0700) != 0)
        return 2;
    run_seed(o->from, o->keep ? keep : NULL, dir, o->verbose);
    printf("seed %llu holds\n", (unsigned long long)o->from);
    return 0;
}

static bool take_options(int argc, char **argv, options *o)
{
    const char *seeds = getenv("PROPHET_TEST_SEEDS"), *dir = getenv("PROPHET_TEST_DIR");
    o->seeds = seeds && *seeds ? strtoull(seeds, NULL, 10) : 100;
    o->from = 1;
    o->shrink = true;
    o->jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    (void)snprintf(o->base, sizeof o->base, "%.300s/simulator-XXXXXX",
                   dir && *dir                     ? dir
                   : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                                   : "/tmp");
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--verbose") == 0)
            o->verbose = true;
        else if (strcmp(argv[i], "--no-shrink") == 0)
            o->shrink = false;
        else if (strcmp(argv[i], "--first") == 0)
            o->first = true, o->shrink = false;
        else if (!value)
            return false;
        else if (strcmp(argv[i], "--seeds") == 0)
            o->seeds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            o->from = strtoull(argv[++i], NULL, 10), o->single = true;
        else if (strcmp(argv[i], "--from") == 0)
            o->from = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--jobs") == 0)
            o->jobs = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--keep") == 0)
            o->keep = argv[++i];
        else
            return false;
    }
    o->jobs = o->jobs < 1 ? 1 : o->jobs > 64 ? 64 : o->jobs;
    return true;
}

int main(int argc, char **argv)
{
    options o = { 0 };
    if (!take_options(argc, argv, &o)) {
        fprintf(stderr, "simulator [--seeds N] [--seed S] [--from S] [--jobs N] [--keep 0,A,B..] "
                        "[--no-shrink] [--first] [--verbose]\n");
        return 2;
    }
    if (!mkdtemp(o.base)) {
        perror(o.base);
        return 2;
    }
    int rc = o.single ? run_single(&o) : run_many(&o);
    (void)ph_dir_remove(o.base, NULL);
    return rc;
}
