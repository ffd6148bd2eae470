/*
 * NOTIFY as functions. The queue and what a session listens to are the session layer's: it registers
 * itself in session_views.h.
 */
#include "core/catalog/fn_util.h"
#include "core/catalog/session_views.h"

const NotifyHooks *session_notify_hooks;

static const NotifyHooks *
hooks(void)
{
    if (session_notify_hooks == NULL)
        UNSUPPORTED("notifications need a session");
    return session_notify_hooks;
}

/* Not strict: a null channel is an empty one, which the queue refuses; a null payload is empty. */
Datum
fnc_notify(FnCtx *c, const Datum *args, bool *isnull)
{
    const char *channel = c->argnull[0] ? "" : text_arg(c, args[0]), *payload = c->argnull[1] ? "" : text_arg(c, args[1]);

    hooks()->send(channel, payload);
    return 0;
}

bool
setc_listening_channels(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 1);

    if (rows) {
        const char **names;
        int count = hooks()->channels(rows->arena, &names);
        Datum *v;
        bool *n;

        for (int i = 0; i < count; i++) {
            fn_rows_add(rows, &v, &n);
            ROW_TEXT(0, names[i]);
        }
    }
    return fn_rows_next(c, out, outnull);
}

Datum
fnc_notification_queue_usage(FnCtx *c, const Datum *args, bool *isnull)
{
    return float8_datum(hooks()->usage());
}
