/* Does the client's address fit a line of pg_hba.conf: ranges, the server's own networks, host names. */
#include "core/wire/wire_internal.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdlib.h>
#include <strings.h>

/* The address bytes of a socket address; returns how many, 0 for other families. */
static int
address_bytes(const struct sockaddr *sa, unsigned char out[16])
{
    if (sa && sa->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)sa)->sin_addr, 4);
        return 4;
    }
    if (sa && sa->sa_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
        return 16;
    }
    return 0;
}

static bool
in_range(const unsigned char *x, const unsigned char *net, const unsigned char *mask, int n)
{
    for (int i = 0; i < n; i++)
        if ((x[i] ^ net[i]) & mask[i])
            return false;
    return true;
}

static bool
match_own_networks(const unsigned char *client, int n, bool same_host)
{
    struct ifaddrs *all, *i;
    bool found = false;
    if (getifaddrs(&all) != 0) {
        LOG("error enumerating network interfaces: %m");
        return false;
    }
    for (i = all; i && !found; i = i->ifa_next) {
        unsigned char own[16], mask[16];
        if (i->ifa_addr == NULL || address_bytes(i->ifa_addr, own) != n)
            continue;
        memset(mask, 0xff, sizeof(mask));
        if (!same_host && i->ifa_netmask && i->ifa_netmask->sa_family == i->ifa_addr->sa_family)
            address_bytes(i->ifa_netmask, mask);
        found = in_range(client, own, mask, n);
    }
    freeifaddrs(all);
    return found;
}

/* ".example.com" fits every host below that domain. */
static bool
name_fits(const char *pattern, const char *name)
{
    size_t p = strlen(pattern), n = strlen(name);
    if (pattern[0] == '.')
        return n >= p && strcasecmp(name + n - p, pattern) == 0;
    return strcasecmp(pattern, name) == 0;
}

/* The name that the client's address has must fit, and that name must have the client's address: the first
 * is under the control of whoever owns the address. */
static bool
match_hostname(const HbaLine *h, const unsigned char *client, int n)
{
    char name[NI_MAXHOST];
    struct addrinfo *all, *i;
    bool found = false;
    if (getnameinfo((struct sockaddr *)&wire_conn.addr, sizeof(wire_conn.addr), name, sizeof(name), NULL, 0,
                    NI_NAMEREQD) != 0 || !name_fits(h->hostname, name))
        return false;
    if (getaddrinfo(name, NULL, NULL, &all) != 0)
        return false;
    for (i = all; i && !found; i = i->ai_next) {
        unsigned char x[16];
        found = address_bytes(i->ai_addr, x) == n && memcmp(x, client, (size_t)n) == 0;
    }
    freeaddrinfo(all);
    return found;
}

bool
hba_match_address(const HbaLine *h)
{
    unsigned char client[16];
    int n = address_bytes((const struct sockaddr *)&wire_conn.addr, client);
    switch (h->addr_kind) {
    case ADDR_ALL:
        return true;
    case ADDR_SAMEHOST:
    case ADDR_SAMENET:
        return match_own_networks(client, n, h->addr_kind == ADDR_SAMEHOST);
    case ADDR_HOSTNAME:
        return match_hostname(h, client, n);
    default:
        return n == (h->family == AF_INET ? 4 : 16) && in_range(client, h->addr, h->mask, n);
    }
}
