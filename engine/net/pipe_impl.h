/* pipe_impl: programs at the other end of a pipe, as rsync.c needs them. */
#ifndef PH_NET_PIPE_IMPL_H
#define PH_NET_PIPE_IMPL_H
#include "net/net_impl.h"

/* As ph_pipe_open. env NULL: ours. errors: its standard error comes with its output. */
prophet_code net_pipe_open(const char *const *argv, char *const *env, bool errors, ph_pipe **out, prophet_error *err);
/* $PROPHET_SSH, or ssh. */
const char *net_ssh_program(void);

#endif
