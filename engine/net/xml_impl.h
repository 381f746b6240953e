/* xml_impl: XML as the lists of servers use it. */
#ifndef PH_NET_XML_IMPL_H
#define PH_NET_XML_IMPL_H
#include "net/net_impl.h"

typedef struct net_xml net_xml;
/* At the end of each element: its name without a prefix, and the text after its last child, trimmed. A code below 0 ends the reading with it. */
typedef prophet_code (*net_xml_fn)(void *ctx, const char *name, const char *text, prophet_error *err);
/* ENOTFOUND: expat is not installed. */
prophet_code net_xml_new(net_xml_fn each, void *ctx, net_xml **out, prophet_error *err);
/* Some bytes; last: that was all. EREMOTE: no XML, or more than a list needs. */
prophet_code net_xml_feed(net_xml *x, prophet_slice bytes, bool last, prophet_error *err);
void         net_xml_free(net_xml *x); /* NULL is fine */

#endif
