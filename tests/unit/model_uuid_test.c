/* Ids: the two versions bit by bit, and their text. */
#include "model/model.h"
#include "support/test.h"

static void check_text(const ph_uuid *u, const char *want)
{
    char text[37];

    ph_uuid_format(u, text);
    CHECK_EQ_STR(text, want);
}

TEST(version_7_is_time_then_random)
{
    static const uint8_t ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    static const uint8_t zeros[10] = { 0 };
    ph_uuid u = ph_uuid_v7(INT64_C(0x017f22e279b0), zeros); /* the time of RFC 9562, appendix A.6 */

    check_text(&u, "017f22e2-79b0-7000-8000-000000000000");
    u = ph_uuid_v7(INT64_C(0x017f22e279b0), ones);
    check_text(&u, "017f22e2-79b0-7fff-bfff-ffffffffffff");
    u = ph_uuid_v7(-5, zeros);
    check_text(&u, "00000000-0000-7000-8000-000000000000");
    u = ph_uuid_v7(INT64_MAX, zeros);
    check_text(&u, "ffffffff-ffff-7000-8000-000000000000");
}

TEST(version_5_is_the_hash_of_database_type_and_key)
{
    /* both worked out with Python's hashlib; the key is the list ["usb", "a-1", 7] */
    const prophet_slice key = ph_slice("\x83\x63usb\x63"
                                       "a-1\x07",
                                       10);
    prophet_error err;
    ph_hasher *h = NULL;
    ph_uuid database, u;

    REQUIRE(ph_uuid_parse("0198f3c2-7a10-7bcd-8e5f-112233445566", 36, &database));
    REQUIRE(ph_hasher_new(&h, &err) == PROPHET_OK);
    CHECK_CODE(ph_uuid_v5(h, &database, ph_slice_str("ticket"), key, &u, &err), PROPHET_OK, &err);
    check_text(&u, "3b2a44e7-e47c-52be-9017-41bb6e8684c9");
    REQUIRE(ph_uuid_parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8", 36, &database));
    CHECK_CODE(ph_uuid_v5(h, &database, ph_slice(NULL, 0), ph_slice(NULL, 0), &u, &err), PROPHET_OK,
               &err);
    check_text(&u, "d73aaa6c-907e-57b0-8739-29487068eee4");
    ph_hasher_free(h);
}

TEST(ids_are_read_with_and_without_dashes)
{
    static const char want[] = "0198f3c2-7a10-7bcd-8e5f-1122334455ff";
    ph_uuid u;

    memset(&u, 0, sizeof u);
    CHECK(ph_uuid_parse(want, 36, &u));
    check_text(&u, want);
    memset(&u, 0, sizeof u);
    CHECK(ph_uuid_parse("0198F3C27A107BCD8E5F1122334455Ff", 32, &u));
    check_text(&u, want);
}

TEST(what_is_not_an_id_is_refused_and_leaves_the_last)
{
    static const char *const bad[] = {
        "",
        "0",
        "0198f3c2-7a10-7bcd-8e5f-1122334455f",
        "0198f3c2-7a10-7bcd-8e5f-1122334455ff0",
        "0198f3c2-7a10-7bcd-8e5f-1122334455fg",
        "0198f3c2-7a10-7bcd-8e5f1-122334455ff",
        "0198f3c2-7a10-7bcd8e5f-1122334455ff-",
        "0198f3c27a107bcd8e5f1122334455f-",
        "0198f3c27a107bcd8e5f1122334455f",
        "{198f3c2-7a10-7bcd-8e5f-1122334455ff",
        "0198f3c2 7a10 7bcd 8e5f 1122334455ff",
    };
    ph_uuid u;
    char nul[36];

    memset(&u, 7, sizeof u);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_MSG(!ph_uuid_parse(bad[i], strlen(bad[i]), &u), "\"%s\" was taken", bad[i]);
    memset(nul, 0, sizeof nul);
    CHECK(!ph_uuid_parse(nul, 36, &u) && !ph_uuid_parse(nul, 32, &u));
    check_text(&u, "07070707-0707-0707-0707-070707070707");
}
