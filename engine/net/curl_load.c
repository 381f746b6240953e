/* Loads libcurl. Linking it costs every start of every program 5 ms, and a machine may be without it. */
#include "net/curl_impl.h"
#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libcurl.so.4" /* the interface of curl.h since 2006 */

typedef struct named {
    const char *name;
    size_t offset;
} named;

static const named functions[] = {
#define X(function) { "curl_" #function, offsetof(curl_functions, function) },
    CURL_FUNCTIONS(X)
#undef X
};

static prophet_code load(curl_functions *out, prophet_error *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        prophet_code rc =
            ph_fail(err, PROPHET_ENOTFOUND, "the network needs %s: %s", LIBRARY, dlerror());
        ph_hint(err, "install libcurl4");
        return rc;
    }
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *at = dlsym(library, functions[i].name);
        if (!at) {
            prophet_code rc =
                ph_fail(err, PROPHET_ENOTFOUND, "%s has no %s", LIBRARY, functions[i].name);
            (void)dlclose(library); /* nothing of it was used */
            return rc;
        }
        memcpy((char *)out + functions[i].offset, &at, sizeof at);
    }
    if (out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ph_fail(err, PROPHET_EMEMORY, "%s does not start", LIBRARY);
    return PROPHET_OK;
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
