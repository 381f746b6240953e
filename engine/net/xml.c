/* xml: the lists that WebDAV and S3 servers send, read by expat while they arrive. Each element's name and text are handed on as it ends; namespaces are passed over.
 * A document type is refused: nothing we read has one, and entities are what bombs are made of. Called by dav.c and s3.c. */
#include "net/xml_impl.h"
#include <expat.h>
#include <pthread.h>

#define TEXT_MAX  4096
#define DEPTH_MAX 32

#define EXPAT_FUNCTIONS(X) \
    X(ParserCreate) \
    X(ParserFree) \
    X(SetUserData) \
    X(SetElementHandler) \
    X(SetCharacterDataHandler) \
    X(SetStartDoctypeDeclHandler) \
    X(StopParser) \
    X(Parse) \
    X(GetErrorCode) \
    X(ErrorString)

typedef struct expat_functions {
#define X(name) __typeof__(&XML_##name) name;
    EXPAT_FUNCTIONS(X)
#undef X
} expat_functions;

struct net_xml {
    const expat_functions *expat;
    XML_Parser parser;
    net_xml_fn each;
    void *ctx;
    prophet_error *err; /* of the call at hand */
    prophet_code rc;
    int depth;
    size_t len;
    char text[TEXT_MAX + 1];
};

static prophet_code load(const expat_functions **out, prophet_error *err)
{
    static const net_symbol functions[] = {
#define X(function) { "XML_" #function, offsetof(expat_functions, function) },
        EXPAT_FUNCTIONS(X)
#undef X
    };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static expat_functions loaded;
    static bool done;
    prophet_code rc = PROPHET_OK;
    (void)pthread_mutex_lock(&lock); /* held for a moment, never twice */
    if (!done && (rc = net_load("libexpat.so.1", "libexpat1", functions,
                                sizeof functions / sizeof *functions, &loaded, err)) >= 0)
        done = true;
    (void)pthread_mutex_unlock(&lock);
    *out = &loaded;
    return rc;
}

/* ---- what expat calls ------------------------------------------------------------------------------------------------- */

static void stop(net_xml *x, prophet_code rc)
{
    x->rc = rc;
    (void)x->expat->StopParser(x->parser, XML_FALSE); /* x->rc says it */
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    net_xml *x = ctx;
    (void)name, (void)attributes;
    x->len = 0;
    if (++x->depth > DEPTH_MAX)
        stop(x, ph_fail(x->err, PROPHET_EREMOTE, "a list that is too deep"));
}

static void on_end(void *ctx, const XML_Char *name)
{
    net_xml *x = ctx;
    const char *colon = strrchr(name, ':');
    const char *text = x->text;
    if (x->rc < 0)
        return;
    while (x->len > 0 && (unsigned char)x->text[x->len - 1] <= ' ')
        x->len--;
    x->text[x->len] = 0;
    while (*text && (unsigned char)*text <= ' ')
        text++;
    x->depth--;
    prophet_code rc = x->each(x->ctx, colon ? colon + 1 : name, text, x->err);
    x->len = 0;
    if (rc < 0)
        stop(x, rc);
}

static void on_text(void *ctx, const XML_Char *text, int len)
{
    net_xml *x = ctx;
    if (x->rc < 0)
        return;
    if ((size_t)len > TEXT_MAX - x->len) {
        stop(x, ph_fail(x->err, PROPHET_EREMOTE, "a list with too long a text"));
        return;
    }
    memcpy(x->text + x->len, text, (size_t)len);
    x->len += (size_t)len;
}

static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int internal)
{
    net_xml *x = ctx;
    (void)name, (void)system, (void)public, (void)internal;
    stop(x, ph_fail(x->err, PROPHET_EREMOTE, "a list with a document type"));
}

/* ---- front ---------------------------------------------------------------------------------------------------------------- */

prophet_code net_xml_new(net_xml_fn each, void *ctx, net_xml **out, prophet_error *err)
{
    const expat_functions *expat;
    prophet_code rc = load(&expat, err);
    if (rc < 0)
        return rc;
    net_xml *x = ph_zalloc(sizeof *x);
    XML_Parser parser = x ? expat->ParserCreate(NULL) : NULL;
    if (!parser) {
        ph_free(x);
        return ph_nomem(err);
    }
    x->expat = expat;
    x->parser = parser;
    x->each = each;
    x->ctx = ctx;
    expat->SetUserData(parser, x);
    expat->SetElementHandler(parser, on_start, on_end);
    expat->SetCharacterDataHandler(parser, on_text);
    expat->SetStartDoctypeDeclHandler(parser, on_doctype);
    *out = x;
    return PROPHET_OK;
}

prophet_code net_xml_feed(net_xml *x, prophet_slice bytes, bool last, prophet_error *err)
{
    if (x->rc < 0)
        return x->rc;
    if (bytes.len > 1u << 30)
        return ph_fail(err, PROPHET_EUSAGE, "too much at once");
    x->err = err;
    enum XML_Status status = x->expat->Parse(x->parser, bytes.data, (int)bytes.len, last);
    if (x->rc < 0 || status == XML_STATUS_OK)
        return x->rc;
    x->rc = ph_fail(err, PROPHET_EREMOTE, "a list that is no XML: %s",
                    x->expat->ErrorString(x->expat->GetErrorCode(x->parser)));
    return x->rc;
}

void net_xml_free(net_xml *x)
{
    if (!x)
        return;
    x->expat->ParserFree(x->parser);
    ph_free(x);
}
