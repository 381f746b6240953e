/* Loads libcurl. Linking it costs every start of every program 5 ms, and a machine may be without it. */
#include "net/curl_impl.h"
#include <pthread.h>

static const net_symbol functions[] = {
#define X(function) { "curl_" #function, offsetof(curl_functions, function) },
    CURL_FUNCTIONS(X)
#undef X
};

static prophet_code load(curl_functions *out, prophet_error *err)
{
    prophet_code rc = net_load("libcurl.so.4", "libcurl4", functions,
                               sizeof functions / sizeof *functions, out, err);
    if (rc >= 0 && out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        rc = ph_fail(err, PROPHET_EMEMORY, "libcurl does not start");
    return rc;
}

prophet_code net_curl_load(const curl_functions **out, prophet_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static curl_functions loaded;
    static bool done;
    prophet_code rc = PROPHET_OK;
    (void)pthread_mutex_lock(&lock); /* held for a moment, never twice */
    if (!done && (rc = load(&loaded, err)) >= 0)
        done = true;
    (void)pthread_mutex_unlock(&lock);
    *out = &loaded;
    return rc;
}
