/* The worked example of docs/formats.md is true: its body, header, id and frame belong together. */
#include "model/model.h"
#include "support/test.h"
#include <stdlib.h>

/* The bytes of the fenced block called `name`: hex, spaces, comments after '#'. */
static prophet_slice block(const ph_buf *page, const char *name, uint8_t *out, size_t size)
{
    char fence[20], digits[1024];
    size_t len = 0;
    bool comment = false;

    (void)snprintf(fence, sizeof fence, "```%s\n", name);
    const char *p = strstr((const char *)page->data, fence);
    REQUIRE(p != NULL);
    for (p += strlen(fence); *p && *p != '`' && len < sizeof digits; p++) {
        comment = *p == '#' || (comment && *p != '\n');
        if (!comment && *p != ' ' && *p != '\n')
            digits[len++] = *p;
    }
    REQUIRE(len / 2 <= size && ph_unhex(digits, len, out, len / 2));
    return ph_slice(out, len / 2);
}

static void check_frame(prophet_slice frame, const ph_header *h, const ph_id *id, ph_hasher *hasher)
{
    ph_frame_context ctx = { true, h->replica, h->prev, h->seq - 1 };
    ph_arena arena = PH_ARENA_INIT;
    ph_buf scratch = PH_BUF_INIT;
    ph_changeset cs;
    prophet_error err;

    REQUIRE_OK(
        ph_frame_decode(frame, &h->database, true, hasher, &scratch, &ctx, &arena, &cs, &err),
        &err);
    CHECK(ph_id_eq(&cs.id, id));
    CHECK_EQ_UINT(cs.body.change_count, 1);
    ph_buf_clear(&scratch);
    ph_arena_clear(&arena);
}

TEST(the_example_of_the_documentation_is_true)
{
    ph_buf page = PH_BUF_INIT, scratch = PH_BUF_INIT;
    ph_arena arena = PH_ARENA_INIT;
    ph_hasher *hasher = NULL;
    uint8_t bytes[4][512], hash[32];
    prophet_error err;
    ph_header h;
    ph_body b;
    ph_id id;

    REQUIRE_OK(ph_hasher_new(&hasher, &err), &err);
    REQUIRE_OK(ph_file_slurp(test_source("docs/formats.md"), 1 << 20, &page, &err), &err);
    ph_buf_byte(&page, 0);
    prophet_slice body = block(&page, "body", bytes[0], sizeof bytes[0]);
    prophet_slice header = block(&page, "header", bytes[1], sizeof bytes[1]);
    prophet_slice want = block(&page, "id", bytes[2], sizeof bytes[2]);
    REQUIRE_OK(ph_header_decode(header, &arena, &h, &err), &err);
    CHECK_OK(ph_body_decode(body, ph_changeset_names(&h), &arena, &b, &err), &err);
    CHECK_OK(ph_hash_sha256(hasher, &body, 1, hash, &err), &err);
    CHECK_MEM(h.body.b, hash, sizeof hash);
    CHECK_OK(ph_header_id(hasher, &h, &scratch, &id, &err), &err);
    CHECK_SLICE(want, id.b, sizeof id.b);
    check_frame(block(&page, "frame", bytes[3], sizeof bytes[3]), &h, &id, hasher);
    ph_buf_clear(&page);
    ph_buf_clear(&scratch);
    ph_arena_clear(&arena);
    ph_hasher_free(hasher);
}
