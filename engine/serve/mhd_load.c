/* Loads libmicrohttpd. A program that serves nothing starts without it, and a machine may be without it. */
#include "serve/mhd_impl.h"
#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libmicrohttpd.so.12" /* the interface of microhttpd.h 0.9.6x to 1.0 */

typedef struct named {
    const char *name;
    size_t offset;
} named;

static const named functions[] = {
#define X(function) { "MHD_" #function, offsetof(mhd_functions, function) },
    MHD_FUNCTIONS(X)
#undef X
};

static prophet_code load(mhd_functions *out, prophet_error *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        prophet_code rc =
            ph_fail(err, PROPHET_ENOTFOUND, "serving needs %s: %s", LIBRARY, dlerror());
        ph_hint(err, "install libmicrohttpd12");
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
    return PROPHET_OK;
}

prophet_code serve_mhd_load(const mhd_functions **out, prophet_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static mhd_functions loaded;
    static bool done;
    prophet_code rc = PROPHET_OK;
    (void)pthread_mutex_lock(&lock); /* held for a moment, never twice */
    if (!done && (rc = load(&loaded, err)) >= 0)
        done = true;
    (void)pthread_mutex_unlock(&lock);
    *out = &loaded;
    return rc;
}
