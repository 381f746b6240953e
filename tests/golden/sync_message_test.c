/* The messages of the comparison (tests/golden/format1/messages.txt): each line is read and written again to the same bytes, or refused
 * for the stored reason. The file was made with cbor2; lines are added, never changed. */
#include "support/test.h"
#include "sync/sync.h"
#include <stdlib.h>

static prophet_error err;

/* Reads one message of this kind and writes it again. */
static prophet_code again(const char *kind, prophet_slice bytes, ph_buf *out)
{
    ph_arena a = PH_ARENA_INIT;
    ph_sync_report rep = { 0 };
    ph_sync_offer offer;
    ph_sync_want want;
    ph_sync_peer from;
    uint8_t digest[32];
    bool all = false;
    prophet_code rc;

    if (strcmp(kind, "offer") == 0) {
        if ((rc = ph_sync_offer_decode(bytes, &a, &from, &offer, &err)) >= 0)
            rc = ph_sync_offer_encode(&from, &offer, out, &err);
    } else if (strcmp(kind, "want") == 0) {
        if ((rc = ph_sync_want_decode(bytes, &a, &from, &all, &want, &err)) >= 0)
            rc = ph_sync_want_encode(&from, all ? NULL : &want, out, &err);
    } else {
        REQUIRE(strcmp(kind, "answer") == 0);
        if ((rc = ph_sync_answer_decode(bytes, &from, digest, &rep, &err)) >= 0)
            rc = ph_sync_answer_encode(&from, &rep, digest, out, &err);
    }
    if (rc >= 0)
        CHECK_MEM(from.database.b,
                  "\x01\x90\xc8\xa0\x7f\x7e\x7d\x7c\x8b\x6a\x59\x48\x37\x26\x15\x04", 16);
    ph_sync_report_clear(&rep);
    ph_arena_clear(&a);
    return rc;
}

TEST(messages_are_what_they_were)
{
    char *line = NULL, *rest;
    size_t room = 0, number = 0;
    unsigned good = 0, bad = 0;
    FILE *file = fopen(test_source("tests/golden/format1/messages.txt"), "r");

    REQUIRE(file != NULL);
    while (getline(&line, &room, file) > 0) {
        ph_buf out = PH_BUF_INIT;
        number++;
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#')
            continue;
        test_context("at line %zu", number);
        const char *kind = strtok_r(line, " ", &rest), *verdict = strtok_r(NULL, " ", &rest);
        const char *hex = strtok_r(NULL, " ", &rest), *why = strtok_r(NULL, " ", &rest);
        size_t len = strlen(hex) / 2;
        uint8_t *bytes = malloc(len + 1);
        REQUIRE(bytes && ph_unhex(hex, 2 * len, bytes, len));
        prophet_code rc = again(kind, ph_slice(bytes, len), &out);
        if (strcmp(verdict, "good") == 0) {
            CHECK_OK(rc, &err);
            CHECK_SLICE(ph_buf_slice(&out), bytes, len);
            good++;
        } else {
            CHECK_CODE(rc, strcmp(why, "format") == 0 ? PROPHET_EVERSION : PROPHET_ECORRUPT, &err);
            CHECK_HAS(err.message, why);
            bad++;
        }
        free(bytes);
        ph_buf_clear(&out);
    }
    CHECK(good >= 6 && bad >= 20);
    free(line);
    fclose(file);
}
