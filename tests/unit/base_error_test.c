/* Errors: filled once, prefixed by callers, cut at whole characters, harmless without a struct. */
#include "base/base.h"
#include "support/test.h"
#include <errno.h>

TEST(fail_fills_all_and_returns_the_code)
{
    prophet_error err;

    memset(&err, 'x', sizeof err);
    CHECK_EQ_INT(ph_fail(&err, PROPHET_ETYPE, "no type \"%s\"", "tsk"), PROPHET_ETYPE);
    CHECK_EQ_INT(err.code, PROPHET_ETYPE);
    CHECK_EQ_INT(err.sys, 0);
    CHECK_EQ_STR(err.message, "no type \"tsk\"");
    CHECK(!err.hint[0] && !err.type[0] && !err.field[0] && !err.record[0] && !err.value[0] &&
          !err.cause[0]);
}

TEST(without_a_struct_the_code_is_all)
{
    CHECK_EQ_INT(ph_fail(NULL, PROPHET_EBUSY, "busy %d", 1), PROPHET_EBUSY);
    CHECK_EQ_INT(ph_fail_sys(NULL, ENOSPC, "write"), PROPHET_EFULL);
    CHECK_EQ_INT(ph_nomem(NULL), PROPHET_EMEMORY);
    ph_context(NULL, "pull");
    ph_hint(NULL, "try");
    ph_error_at(NULL, ph_slice_str("a"), ph_slice_str("b"));
}

TEST(system_errors_become_codes)
{
    prophet_error err;

    CHECK_EQ_INT(ph_fail_sys(&err, ENOSPC, "write %s", "f"), PROPHET_EFULL);
    CHECK_EQ_STR(err.message, "write f: No space left on device");
    CHECK_EQ_INT(err.sys, ENOSPC);
    CHECK_EQ_INT(ph_fail_sys(&err, EDQUOT, "write"), PROPHET_EFULL);
    CHECK_EQ_INT(ph_fail_sys(&err, ENOMEM, "map"), PROPHET_EMEMORY);
    CHECK_EQ_INT(ph_fail_sys(&err, EROFS, "open"), PROPHET_EIO);
    CHECK_EQ_INT(ph_fail_sys(&err, 123456, "open"), PROPHET_EIO);
}

TEST(system_errors_tell_the_way_out)
{
    prophet_error err;

    (void)ph_fail_sys(&err, ENOSPC, "write %s", "f");
    CHECK_HAS(err.hint, "make room");
    (void)ph_fail_sys(&err, EMFILE, "open %s", "f");
    CHECK_HAS(err.hint, "ulimit -n");
    (void)ph_fail_sys(&err, EIO, "open %s", "f");
    CHECK_EQ_STR(err.hint, "");
}

TEST(the_reason_survives_a_long_path)
{
    prophet_error err;
    char path[1000];

    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = 0;
    CHECK_EQ_INT(ph_fail_sys(&err, EIO, "open %s", path), PROPHET_EIO);
    CHECK_EQ_UINT(strlen(err.message), sizeof err.message - 1);
    CHECK_HAS(err.message, "ppp: Input/output error");
}

TEST(context_is_put_before_the_message)
{
    prophet_error err;

    (void)ph_fail(&err, PROPHET_EIO, "read: bad");
    ph_context(&err, "pull from %s", "usb");
    CHECK_EQ_STR(err.message, "pull from usb: read: bad");
    CHECK_EQ_INT(err.code, PROPHET_EIO);
    for (int i = 0; i < 100; i++)
        ph_context(&err, "level %d", i);
    CHECK_EQ_UINT(strlen(err.message), sizeof err.message - 1);
    CHECK(strncmp(err.message, "level 99: level 98: ", 20) == 0);
    (void)ph_fail(&err, PROPHET_EIO, "the reason");
    ph_context(&err, "%0500d", 1);
    CHECK_HAS(err.message, ": the reason");
}

TEST(arguments_may_point_into_the_same_error)
{
    prophet_error err;

    (void)ph_fail(&err, PROPHET_EIO, "inner");
    ph_context(&err, "[%s]", err.message);
    CHECK_EQ_STR(err.message, "[inner]: inner");
    ph_hint(&err, "see %s", err.message);
    ph_hint(&err, "so: %s", err.hint);
    CHECK_EQ_STR(err.hint, "so: see [inner]: inner");
    (void)ph_fail(&err, PROPHET_EREMOTE, "outer: %s", err.message);
    CHECK_EQ_STR(err.message, "outer: [inner]: inner");
}

TEST(what_does_not_fit_is_cut_at_a_character)
{
    static const char *const chars[] = { "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x9e" };
    prophet_error err;
    char text[500];

    for (size_t c = 0; c < 4; c++)
        for (size_t shift = 0; shift < 4; shift++) {
            size_t n = strlen(chars[c]), len = 0;
            memset(text, '.', shift);
            for (len = shift; len + n < sizeof text; len += n)
                memcpy(text + len, chars[c], n);
            text[len] = 0;
            (void)ph_fail(&err, PROPHET_EUSAGE, "%s", text);
            CHECK(ph_utf8_valid(err.message, strlen(err.message)));
            CHECK(strlen(err.message) > sizeof err.message - 5);
            ph_hint(&err, "%s", text);
            CHECK(ph_utf8_valid(err.hint, strlen(err.hint)));
            ph_error_at(&err, ph_slice(text, len), ph_slice(text, len));
            CHECK(ph_utf8_valid(err.type, strlen(err.type)));
            CHECK(ph_utf8_valid(err.field, strlen(err.field)));
            CHECK(strlen(err.type) > sizeof err.type - 5);
            ph_context(&err, "x%s", text);
            CHECK(ph_utf8_valid(err.message, strlen(err.message)));
        }
}

TEST(type_and_field_are_set_singly)
{
    prophet_error err;

    (void)ph_fail(&err, PROPHET_EFIELD, "no field");
    ph_error_at(&err, ph_slice_str("ticket"), ph_slice(NULL, 0));
    ph_error_at(&err, ph_slice(NULL, 0), ph_slice_str("status"));
    CHECK_EQ_STR(err.type, "ticket");
    CHECK_EQ_STR(err.field, "status");
}
