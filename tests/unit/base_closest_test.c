/* "Did you mean": near names are found, far ones are not suggested. */
#include "base/base.h"
#include "support/test.h"

static const char *const names[] = { "status", "summary", "severity", "tags", "due", "x" };

static const char *closest(const char *name)
{
    return ph_closest(name, names, sizeof names / sizeof *names);
}

TEST(slips_of_the_finger_find_their_name)
{
    CHECK_EQ_STR(closest("status"), "status");
    CHECK_EQ_STR(closest("stauts"), "status");  /* swapped */
    CHECK_EQ_STR(closest("sttus"), "status");   /* left out */
    CHECK_EQ_STR(closest("statuss"), "status"); /* doubled */
    CHECK_EQ_STR(closest("statux"), "status");  /* replaced */
    CHECK_EQ_STR(closest("sumary"), "summary");
    CHECK_EQ_STR(closest("saverety"), "severity"); /* two in eight letters */
    CHECK_EQ_STR(closest("tag"), "tags");
}

TEST(far_names_are_not_suggested)
{
    CHECK(closest("owner") == NULL);
    CHECK(closest("gas") == NULL);
    CHECK(closest("") == NULL);
    CHECK(closest("y") == NULL); /* one letter for another is another name */
    CHECK(ph_closest("status", NULL, 0) == NULL);
}

TEST(the_nearest_wins_and_the_first_of_equals)
{
    static const char *const two[] = { "abcdx", "abcdy", "abcd" };

    CHECK_EQ_STR(ph_closest("abcdz", two, 2), "abcdx");
    CHECK_EQ_STR(ph_closest("abcdy", two, 3), "abcdy");
}

TEST(names_without_end_are_harmless)
{
    char longest[129], longer[400];
    const char *const both[] = { longest, longer };

    memset(longest, 'a', 128);
    longest[128] = 0;
    memset(longer, 'a', 399);
    longer[399] = 0;
    CHECK(ph_closest(longer, both, 2) == NULL);
    CHECK(ph_closest(longest, both, 2) == longest);
}
