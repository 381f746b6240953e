/* Lists of servers: in one piece or in two they are the same elements, or the same refusal; no text is longer than a list needs. */
#include "net/xml_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static prophet_code on_element(void *ctx, const char *name, const char *text, prophet_error *err)
{
    ph_buf *b = ctx;
    (void)err;
    ph_require(name != NULL && strlen(text) <= 4096);
    ph_buf_printf(b, "%s=%s\n", name, text);
    return PROPHET_OK;
}

static prophet_code read_in(const uint8_t *data, size_t size, size_t at, ph_buf *out)
{
    net_xml *x = NULL;
    prophet_code rc;
    ph_require(net_xml_new(on_element, out, &x, NULL) == PROPHET_OK);
    rc = net_xml_feed(x, ph_slice(data, at), false, NULL);
    if (rc >= 0)
        rc = net_xml_feed(x, ph_slice(data + at, size - at), true, NULL);
    net_xml_free(x);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ph_buf one = PH_BUF_INIT, two = PH_BUF_INIT;
    size_t at = size ? data[0] % (size + 1) : 0;
    prophet_code a = read_in(data, size, 0, &one), b = read_in(data, size, at, &two);
    ph_require(a == b);
    if (a >= 0)
        ph_require(ph_slice_eq(ph_buf_slice(&one), ph_buf_slice(&two)));
    ph_buf_clear(&one);
    ph_buf_clear(&two);
    return 0;
}
