/* Shared by power_cut_test.c and rare_cut_test.c: recording a scenario, cutting it at random moments, inspecting what is left. */
#include "stage.h"
#include "fault.h"
#include <stdlib.h>
#include <unistd.h>

enum { ENOUGH = 5 }; /* failures printed before giving up */

static void preload_path(char out[4200])
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = 0;
    for (int up = 0; up < 2; up++) /* build/tests/x -> build */
        if (strrchr(path, '/'))
            *strrchr(path, '/') = 0;
    (void)snprintf(out, 4200, "LD_PRELOAD=%s/cut_preload.so", path);
}

static void write_boot(const stage *s, bool same)
{
    char text[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");

    REQUIRE(f && fgets(text, sizeof text, f));
    fclose(f);
    if (!same)
        (void)snprintf(text, sizeof text, "%08x-0000-4000-8000-%012llx\n", (unsigned)test_random(),
                       (unsigned long long)test_random() & 0xffffffffffff);
    f = fopen(s->boot, "w");
    REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

void stage_record(stage *s, const char *scenario, bool pulls)
{
    const char *source = test_path("source"), *made = test_path("source.acks");

    (void)snprintf(s->rare[0], sizeof s->rare[0], "%s", source);
    (void)snprintf(s->rare[1], sizeof s->rare[1], "%s adopt", source);
    (void)snprintf(s->rare[2], sizeof s->rare[2], "%s lose", source);
    s->dir = test_path("replica"), s->acks = test_path("acks"), s->trace = test_path("trace");
    s->boot = test_path("boot"), s->expected = test_path("expected");
    preload_path(s->preload);
    (void)snprintf(s->root_env, sizeof s->root_env, "PH_CUT_ROOT=%s", s->dir);
    (void)snprintf(s->trace_env, sizeof s->trace_env, "PH_CUT_TRACE=%s", s->trace);
    (void)snprintf(s->acks_env, sizeof s->acks_env, "PH_CUT_ACKS=%s", s->acks);
    (void)snprintf(s->boot_env, sizeof s->boot_env, "PH_CUT_BOOT=%s", s->boot);
    const char *make[] = { "make", source, made, NULL };
    const char *clone[] = { "clone", source, s->dir, NULL };
    const char *more[] = { "more", source, made, NULL };
    const char *run[] = { scenario, s->dir, s->acks, source, NULL };
    const char *env[] = { s->preload, s->root_env, s->trace_env, s->acks_env, NULL };

    REQUIRE(fault_run(make, NULL));
    REQUIRE(fault_run(clone, NULL));
    s->text = NULL;
    if (!pulls)
        s->base_len = fault_read(made, &s->text, 0);
    REQUIRE(fault_run(more, NULL)); /* for the scenario to pull */
    if (pulls)
        s->base_len = fault_read(made, &s->text, 0);
    s->disk = cut_disk_new(s->dir);
    REQUIRE(s->disk != NULL);
    REQUIRE(fault_run(run, env));
    s->events = cut_disk_load(s->disk, s->trace);
    CHECK_MSG(s->events > 200, "only %zu events were recorded", s->events);
}

static int by_number(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x > y) - (x < y);
}

size_t stage_cut(stage *s, size_t states, const stage_how *how, bool print)
{
    const char *env[] = { s->preload, s->boot_env, NULL };
    size_t *at = calloc(states, sizeof *at), bad = 0, len = 0;
    fault_inspector inspector;

    REQUIRE(at != NULL);
    for (size_t i = 0; i < states; i++)
        at[i] = 1 + test_below(s->events);
    qsort(at, states, sizeof *at, by_number);
    write_boot(s, how->same_boot);
    REQUIRE(fault_inspector_start(&inspector, env));
    for (size_t i = 0; i < states && bad < ENOUGH; i++) {
        cut_mode mode = how->killed ? CUT_ALL : (cut_mode)test_below(CUT_MODES);
        const char *more = how->rare ? s->rare[test_below(3)] : NULL;
        cut_disk_advance(s->disk, at[i]);
        REQUIRE(cut_disk_restore(s->disk, mode, test_below));
        const char *acks = cut_disk_acks(s->disk, &len);
        s->text = realloc(s->text, s->base_len + len + 1);
        REQUIRE(s->text != NULL);
        if (len)
            memcpy(s->text + s->base_len, acks, len);
        (void)fault_expect(s->text, s->base_len + len, s->expected);
        write_boot(s, how->same_boot);
        const char *why = fault_inspect(&inspector, env, s->dir, s->expected, more);
        bad += why != NULL;
        if (why && print)
            CHECK_MSG(false, "cut %zu before event %zu of %zu, mode %d%s: %s", i, at[i], s->events,
                      (int)mode, more ? more + strcspn(more, " ") : "", why);
    }
    fault_inspector_stop(&inspector);
    free(at);
    return bad;
}

void stage_leave(stage *s)
{
    cut_disk_free(s->disk);
    free(s->text);
}

void stage_needs(void)
{
    fault_needs_program();
    if (fault_sanitized())
        test_skip("a sanitizer and the preload library both want to be first");
}
