/* buf: growable bytes, the out parameter of every encoder.
 *
 * Puts are inline in base.h; growth, formatting and the integers are here. A growth that fails
 * sets `failed`, keeps what is there, and turns later puts into nothing: callers check once. */
#include "base/base.h"

#define FIRST_SIZE ((size_t)64)

bool ph_buf_grow(ph_buf *b, size_t more)
{
    size_t cap = b->cap < FIRST_SIZE ? FIRST_SIZE : b->cap;
    uint8_t *data;

    if (b->failed)
        return false;
    if (more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4)
        goto failed;
    while (cap - b->len < more)
        cap *= 2;
    if (!(data = ph_realloc(b->data, cap)))
        goto failed;
    b->data = data;
    b->cap = cap;
    return true;

failed:
    b->failed = true;
    return false;
}

void ph_buf_str(ph_buf *b, const char *s)
{
    ph_buf_put(b, s, strlen(s));
}

void ph_buf_printf(ph_buf *b, const char *fmt, ...)
{
    va_list ap;
    size_t room = b->failed ? 0 : b->cap - b->len;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(room ? (char *)b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);
    ph_require(n >= 0); /* only a bad format fails */
    if ((size_t)n >= room) {
        if (!ph_buf_reserve(b, (size_t)n + 1))
            return;
        va_start(ap, fmt);
        (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap); /* length is known */
        va_end(ap);
    }
    b->len += (size_t)n;
}

void ph_buf_varint(ph_buf *b, uint64_t v)
{
    if (ph_buf_reserve(b, 10))
        b->len += ph_varint_write(b->data + b->len, v);
}

void ph_buf_u32be(ph_buf *b, uint32_t v)
{
    if (!ph_buf_reserve(b, 4))
        return;
    ph_u32be_put(b->data + b->len, v);
    b->len += 4;
}

void ph_buf_u64be(ph_buf *b, uint64_t v)
{
    if (!ph_buf_reserve(b, 8))
        return;
    ph_u64be_put(b->data + b->len, v);
    b->len += 8;
}

void ph_buf_reset(ph_buf *b)
{
    b->len = 0;
    b->failed = false;
}

void ph_buf_clear(ph_buf *b)
{
    if (!b)
        return;
    ph_free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
    b->failed = false;
}
