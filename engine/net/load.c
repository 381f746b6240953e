/* load: libraries that are loaded when something first needs them, so that nobody else pays for them. Called by curl_load.c and xml.c, under their locks. */
#include "net/net_impl.h"
#include <dlfcn.h>

prophet_code net_load(const char *library, const char *package, const net_symbol *symbols,
                      size_t count, void *out, prophet_error *err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        prophet_code rc =
            ph_fail(err, PROPHET_ENOTFOUND, "the network needs %s: %s", library, dlerror());
        ph_hint(err, "install %s", package);
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        void *at = dlsym(handle, symbols[i].name);
        if (!at) {
            prophet_code rc =
                ph_fail(err, PROPHET_ENOTFOUND, "%s has no %s", library, symbols[i].name);
            (void)dlclose(handle); /* nothing of it was used */
            return rc;
        }
        memcpy((char *)out + symbols[i].offset, &at, sizeof at);
    }
    return PROPHET_OK;
}
