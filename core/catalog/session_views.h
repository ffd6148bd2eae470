/*
 * What the catalog's functions show of a session and of counters kept elsewhere: registered by the
 * modules above that have them. NULL: there is nothing to show.
 */
#ifndef CORE_CATALOG_SESSION_VIEWS_H
#define CORE_CATALOG_SESSION_VIEWS_H

#include "core/catalog/catalog.h"

typedef struct PreparedView { const char *name, *statement; TimestampTz prepared; const Oid *types; int ntypes; bool from_sql; int64_t generic_plans, custom_plans; } PreparedView;
typedef struct CursorView { const char *name, *statement; bool holdable, binary, scrollable; TimestampTz created; } CursorView;
extern int (*session_list_prepared)(Arena *a, PreparedView **out); /* pg_prepared_statements */
extern int (*session_list_cursors)(Arena *a, CursorView **out);    /* pg_cursors */
/* NOTIFY as functions: pg_notify, pg_listening_channels, pg_notification_queue_usage. */
typedef struct NotifyHooks {
    void (*send)(const char *channel, const char *payload);
    int (*channels)(Arena *a, const char ***names);
    double (*usage)(void); /* the part of the queue that is taken, 0 to 1 */
} NotifyHooks;
extern const NotifyHooks *session_notify_hooks;
/* The connection's ends, for inet_client_addr() and kin; false: a Unix-domain socket. */
extern bool (*session_address_hook)(bool server, const char **host, int *port);

#endif
