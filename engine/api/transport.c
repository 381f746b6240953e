/* transport: prophet_transport_add, for hosts and scripts that bring a transport of their own. */
#include "net/net.h"

prophet_code prophet_transport_add(const prophet_transport *t, prophet_error *err)
{
    return ph_net_add(t, err);
}
