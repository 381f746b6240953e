/* The functions of libcurl by their own names, loaded when the first URL needs them (curl_load.c): what never syncs over the net does not pay for them. */
#ifndef PH_NET_CURL_IMPL_H
#define PH_NET_CURL_IMPL_H
#include "net/net_impl.h"
#include <curl/curl.h>

#define CURL_FUNCTIONS(X)                                                                          \
    X(global_init) X(easy_init) X(easy_cleanup) X(easy_reset) X(easy_setopt) X(easy_perform)       \
    X(easy_getinfo) X(easy_strerror) X(slist_append) X(slist_free_all)                             \
    X(multi_init) X(multi_cleanup) X(multi_add_handle) X(multi_remove_handle) X(multi_perform)     \
    X(multi_poll) X(multi_info_read)                                                               \
    X(url) X(url_cleanup) X(url_get) X(url_set) X(free) X(getdate)

typedef struct curl_functions {
#define X(name) __typeof__(&curl_##name) name;
    CURL_FUNCTIONS(X)
#undef X
} curl_functions;

/* ENOTFOUND: it is not installed. Never unloaded. */
prophet_code net_curl_load(const curl_functions **out, prophet_error *err);

#endif
