/* The functions of libmicrohttpd by their own names, loaded when the first server is opened (mhd_load.c): what serves nobody does not pay for them. */
#ifndef PH_SERVE_MHD_IMPL_H
#define PH_SERVE_MHD_IMPL_H
#include "base/base.h"
#include <microhttpd.h>

#define MHD_FUNCTIONS(X)                                                                                          \
    X(start_daemon) X(stop_daemon) X(quiesce_daemon) X(run) X(get_timeout) X(get_daemon_info)                     \
    X(create_response_from_buffer) X(create_response_from_callback) X(add_response_header) X(queue_response)      \
    X(destroy_response) X(suspend_connection) X(resume_connection) X(lookup_connection_value) X(get_connection_info)

typedef struct mhd_functions {
#define X(name) __typeof__(&MHD_##name) name;
    MHD_FUNCTIONS(X)
#undef X
} mhd_functions;

/* ENOTFOUND: it is not installed. Never unloaded. */
prophet_code serve_mhd_load(const mhd_functions **out, prophet_error *err);

#endif
