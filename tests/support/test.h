/* A small test harness. One file of tests is one program:
 *
 *     #include "support/test.h"
 *     TEST(varint_refuses_over_long_forms)
 *     {
 *         CHECK(!read_it("\x80\x00"));
 *         CHECK_EQ_INT(count, 3);
 *     }
 *
 * No main, no list of tests: TEST registers itself, support/test.c has the main. CHECK goes on after a failure,
 * REQUIRE ends the test. A program takes parts of test names as arguments; --list names all.
 * A test names the behaviour, not the function. A failing test prints the seed that reproduces it. */
#ifndef PH_TEST_H
#define PH_TEST_H
#include <prophet.h>
#include <stdio.h>
#include <string.h>

typedef struct test_case {
    const char       *name;
    void            (*run)(void);
    struct test_case *next;
} test_case;
void test_register(test_case *t);

#define TEST(name)                                                           \
    static void test_run_##name(void);                                       \
    __attribute__((constructor)) static void test_register_##name(void)      \
    {                                                                        \
        static test_case test = { #name, test_run_##name, NULL };            \
        test_register(&test);                                                \
    }                                                                        \
    static void test_run_##name(void)

/* ---- checks: got first, wanted second; each counts once, a failure is printed with its line ------- */

#define CHECK(cond) test_check((cond), __FILE__, __LINE__, "%s", #cond)
#define CHECK_MSG(cond, ...) test_check((cond), __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_EQ_INT(got, want) test_eq_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define CHECK_EQ_UINT(got, want) \
    test_eq_uint((unsigned long long)(got), (unsigned long long)(want), __FILE__, __LINE__, #got)
#define CHECK_EQ_STR(got, want) test_eq_str((got), (want), __FILE__, __LINE__, #got)
#define CHECK_HAS(got, part) test_has((got), (part), __FILE__, __LINE__, #got)
#define CHECK_MEM(got, want, len) test_mem((got), (want), (len), __FILE__, __LINE__, #got)
#define CHECK_SLICE(got, want, len) test_slice((got), (want), (len), __FILE__, __LINE__, #got)
/* A code: the call succeeded (>= 0), or gave exactly `want`; `err` (may be NULL) is printed when not. */
#define CHECK_OK(rc, err) test_code_ok((int)(rc), (err), __FILE__, __LINE__, #rc)
#define CHECK_CODE(rc, want, err) test_code_is((int)(rc), (int)(want), (err), __FILE__, __LINE__, #rc)
/* The same, but the test ends here when it fails. */
#define REQUIRE(cond) (CHECK(cond) ? (void)0 : test_stop())
#define REQUIRE_OK(rc, err) (CHECK_OK(rc, err) ? (void)0 : test_stop())
/* Adds "while ..." to failures until changed; NULL or the test's end clears it. */
void test_context(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool test_check(bool ok, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool test_eq_int(long long got, long long want, const char *file, int line, const char *what);
bool test_eq_uint(unsigned long long got, unsigned long long want, const char *file, int line, const char *what);
bool test_eq_str(const char *got, const char *want, const char *file, int line, const char *what);
bool test_has(const char *got, const char *part, const char *file, int line, const char *what);
bool test_mem(const void *got, const void *want, size_t len, const char *file, int line, const char *what);
bool test_slice(prophet_slice got, const void *want, size_t len, const char *file, int line, const char *what);
bool test_code(bool ok, int rc, const prophet_error *err, const char *file, int line, const char *what);
static inline bool test_code_ok(int rc, const prophet_error *err, const char *file, int line, const char *what)
{
    return test_code(rc >= 0, rc, err, file, line, what); /* the macro's rc is evaluated once */
}
bool test_code_is(int rc, int want, const prophet_error *err, const char *file, int line, const char *what);
_Noreturn void test_stop(void);
/* Ends the test as neither passed nor failed, with the reason. */
_Noreturn void test_skip(const char *why);

/* ---- randomness: $PROPHET_TEST_SEED, else from the clock; printed at the start and with a failure ---- */

uint64_t test_seed(void);
uint64_t test_random(void);           /* restarted from the seed at each test */
uint64_t test_below(uint64_t n);      /* 0 .. n-1; 0 for n = 0 */

/* ---- places: a directory of this test under $PROPHET_TEST_DIR (default: tmpfs), removed after it ------- */

const char *test_dir(void);               /* made at the first call of a test */
const char *test_path(const char *name);  /* "<dir>/name"; valid until the test ends */
/* Where the repository is (the build tells), for golden files and corpora. */
const char *test_source(const char *path);

#endif
