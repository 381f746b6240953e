/* Transports that a script brings: what is added (transport_add.c) and how it is called (transport.c). */
#ifndef PH_TRANSPORT_IMPL_H
#define PH_TRANSPORT_IMPL_H
#include "script/script_impl.h"
#include <pthread.h>

typedef struct l_place l_place;
/* Lives until the engine drops it. */
typedef struct l_transport {
    lua_State *L; /* NULL: its state has ended, or it was taken away */
    pthread_t thread;
    int ref;         /* of the table of functions */
    int thread_ref;  /* of L */
    l_place *places; /* open ones */
    int running;     /* calls into Lua that have not come back */
} l_transport;

/* A userdata: functions that a script keeps hold it. User value 1: what the script's open gave. */
struct l_place {
    l_transport *t;
    const prophet_net_options *options;
    struct job *job; /* the call at hand; NULL: none */
    l_place *next;
    int ref;
};

/* The functions that the script has in the table at idx, as those of a transport. */
void transport_calls(lua_State *L, int idx, prophet_transport *row);

#endif
