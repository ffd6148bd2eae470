/* Who is connected and does what, who holds which lock. Counters: fn_stat_counters.c. */
#include "core/catalog/fn_util.h"
#include "core/catalog/session_views.h"
#include "lockmgr/predicate.h"

#define ROLE_READ_ALL_STATS 3375u

/* ---- inet, to be shown only ---- */

static Datum
inet_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    UNSUPPORTED("input of type inet is not supported");
}

static void
inet_out(FnCtx *c, Datum d, StrBuf *s)
{
    str_add_bytes(s, var_data(d), var_len(d));
}

const TypeOps type_ops_inet_text = {.oid = INET_OID, .len = -1, .in = inet_in, .out = inet_out};

/* ---- backends ---- */

static const char *
kind_name(uint32_t kind)
{
    switch (kind) {
    case PROC_BACKEND: return "client backend";
    case PROC_STARTUP: return "startup";
    case PROC_CHECKPOINTER: return "checkpointer";
    case PROC_BGWRITER: return "background writer";
    case PROC_WALWRITER: return "walwriter";
    case PROC_ARCHIVER: return "archiver";
    case PROC_AUTOVAC_LAUNCHER: return "autovacuum launcher";
    case PROC_AUTOVAC_WORKER: return "autovacuum worker";
    case PROC_LOGICAL_LAUNCHER: return "logical replication launcher";
    case PROC_WALSENDER: return "walsender";
    case PROC_WALRECEIVER: return "walreceiver";
    case PROC_BGWORKER: return "background worker";
    case PROC_STANDALONE: return "standalone backend";
    default: return NULL;
    }
}

static const char *
state_name(uint32_t state)
{
    switch (state) {
    case STATE_IDLE: return "idle";
    case STATE_RUNNING: return "active";
    case STATE_IDLE_IN_XACT: return "idle in transaction";
    case STATE_FASTPATH: return "fastpath function call";
    case STATE_IDLE_ABORTED: return "idle in transaction (aborted)";
    case STATE_DISABLED: return "disabled";
    default: return NULL;
    }
}

#define TIME(i, field)                                                                               \
    do {                                                                                             \
        TimestampTz t_ = atomic_load_explicit(&s->field, memory_order_relaxed);                      \
        if (t_ != 0)                                                                                 \
            ROW_SET(i, int64_datum(t_));                                                             \
    } while (0)

static void
add_backend(FnRows *rows, const ProcSlot *s, uint32_t pid)
{
    char activity[PROC_ACTIVITY_BYTES];
    /* relaxed, here and below: an observer; the values need not be of one moment */
    Oid db = atomic_load_explicit(&s->database, memory_order_relaxed), role = atomic_load_explicit(&s->role, memory_order_relaxed);
    uint32_t kind = atomic_load_explicit(&s->kind, memory_order_relaxed);
    bool client = kind == PROC_BACKEND || kind == PROC_WALSENDER;
    Datum *v;
    bool *n;

    /* A warm backend no client has reached yet is nobody's business. */
    if (kind == PROC_BACKEND && role == 0)
        return;
    fn_rows_add(rows, &v, &n);
    if (db)
        ROW_SET(0, oid_datum(db));
    ROW_SET(1, int32_datum((int32_t)pid));
    if (role)
        ROW_SET(2, oid_datum(role));
    ROW_TEXT(17, kind_name(kind));
    if (role && !role_is_member(current_user_oid, role) && !role_is_member(current_user_oid, ROLE_READ_ALL_STATS)) {
        ROW_TEXT(5, "<insufficient privilege>");
        return;
    }
    if (client) {
        ROW_TEXT(3, s->application_name);
        ROW_TEXT(4, state_name(atomic_load_explicit(&s->state, memory_order_relaxed)));
        if (s->client_addr[0] && strcmp(s->client_addr, "[local]") != 0) {
            ROW_TEXT(12, s->client_addr);
            ROW_SET(14, int32_datum(s->client_port));
        } else {
            ROW_SET(14, int32_datum(-1));
        }
        ROW_SET(18, bool_datum(false));
    }
    if (kind == PROC_AUTOVAC_WORKER)
        ROW_TEXT(4, state_name(atomic_load_explicit(&s->state, memory_order_relaxed)));
    ROW_TEXT(5, proc_read_activity(s, activity) ? activity : "");
    uint32_t event = atomic_load_explicit(&s->wait_event, memory_order_relaxed);
    if (event) {
        ROW_TEXT(6, wait_event_class_name(event));
        ROW_TEXT(7, wait_event_name(event));
    }
    TIME(8, xact_start);
    TIME(9, statement_start);
    TIME(10, backend_start);
    TIME(11, state_change);
    Xid xid = atomic_load_explicit(&s->xid, memory_order_relaxed), xmin = atomic_load_explicit(&s->xmin, memory_order_relaxed);
    if (xid)
        ROW_SET(15, (Datum)(uint32_t)xid);
    if (xmin)
        ROW_SET(16, (Datum)(uint32_t)xmin);
    ROW_SET(25, bool_datum(false));
    ROW_SET(27, bool_datum(false));
}

bool
setc_stat_get_activity(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 30);

    if (rows)
        for (int i = 0; i < proc_slot_count; i++) {
            const ProcSlot *s = &proc_slots[i];
            uint32_t pid = atomic_load_explicit(&s->pid, memory_order_relaxed);

            if (pid && (c->argnull[0] || (uint32_t)datum_int32(args[0]) == pid))
                add_backend(rows, s, pid);
        }
    return fn_rows_next(c, out, outnull);
}

bool
setc_stat_get_backend_idset(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 1);

    if (rows)
        for (int i = 0; i < proc_slot_count; i++)
            if (atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed)) {
                Datum *v;
                bool *n;

                fn_rows_add(rows, &v, &n);
                ROW_SET(0, int32_datum(i + 1));
            }
    return fn_rows_next(c, out, outnull);
}

static const ProcSlot *
backend_number(Datum d)
{
    int i = datum_int32(d) - 1;

    return i >= 0 && i < proc_slot_count && atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed) ? &proc_slots[i] : NULL;
}

Datum
fnc_stat_get_backend_pid(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);

    return s ? int32_datum((int32_t)atomic_load_explicit(&s->pid, memory_order_relaxed)) : null_datum(isnull);
}

Datum
fnc_stat_get_backend_dbid(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);

    return s ? oid_datum(atomic_load_explicit(&s->database, memory_order_relaxed)) : null_datum(isnull);
}

Datum
fnc_stat_get_backend_userid(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);

    return s ? oid_datum(atomic_load_explicit(&s->role, memory_order_relaxed)) : null_datum(isnull);
}

/* As pg_stat_activity: what others do is for members of their role only. */
static bool
may_see(const ProcSlot *s)
{
    Oid role = atomic_load_explicit(&s->role, memory_order_relaxed);

    return role == 0 || role_is_member(current_user_oid, role) || role_is_member(current_user_oid, ROLE_READ_ALL_STATS);
}

Datum
fnc_stat_get_backend_activity(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);
    char activity[PROC_ACTIVITY_BYTES];

    if (!s)
        return text_datum(c, "<backend information not available>");
    if (!may_see(s))
        return text_datum(c, "<insufficient privilege>");
    return text_datum(c, proc_read_activity(s, activity) ? activity : "");
}

static Datum
backend_time(Datum number, size_t field, bool *isnull)
{
    const ProcSlot *s = backend_number(number);
    TimestampTz t = 0;

    if (s && may_see(s))
        t = atomic_load_explicit((const _Atomic TimestampTz *)((const char *)s + field), memory_order_relaxed);
    return t ? int64_datum(t) : null_datum(isnull);
}

Datum fnc_stat_get_backend_start(FnCtx *c, const Datum *args, bool *isnull) { return backend_time(args[0], offsetof(ProcSlot, backend_start), isnull); }
Datum fnc_stat_get_backend_xact_start(FnCtx *c, const Datum *args, bool *isnull) { return backend_time(args[0], offsetof(ProcSlot, xact_start), isnull); }
Datum fnc_stat_get_backend_activity_start(FnCtx *c, const Datum *args, bool *isnull) { return backend_time(args[0], offsetof(ProcSlot, statement_start), isnull); }

static Datum
backend_wait(FnCtx *c, Datum number, const char *(*name)(uint32_t event), bool *isnull)
{
    const ProcSlot *s = backend_number(number);
    uint32_t event;

    if (!s)
        return text_datum(c, "<backend information not available>");
    if (!may_see(s))
        return text_datum(c, "<insufficient privilege>");
    event = atomic_load_explicit(&s->wait_event, memory_order_relaxed);
    return text_or_null(c, event ? name(event) : NULL, isnull);
}

Datum fnc_stat_get_backend_wait_event(FnCtx *c, const Datum *args, bool *isnull) { return backend_wait(c, args[0], wait_event_name, isnull); }
Datum fnc_stat_get_backend_wait_event_type(FnCtx *c, const Datum *args, bool *isnull) { return backend_wait(c, args[0], wait_event_class_name, isnull); }

Datum
fnc_stat_get_backend_client_addr(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);

    if (!s || !may_see(s) || !s->client_addr[0] || strcmp(s->client_addr, "[local]") == 0)
        return null_datum(isnull);
    return text_datum(c, s->client_addr);
}

Datum
fnc_stat_get_backend_client_port(FnCtx *c, const Datum *args, bool *isnull)
{
    const ProcSlot *s = backend_number(args[0]);

    if (!s || !may_see(s) || !s->client_addr[0])
        return null_datum(isnull);
    return int32_datum(strcmp(s->client_addr, "[local]") == 0 ? -1 : s->client_port);
}

Datum
fnc_stat_get_db_numbackends(FnCtx *c, const Datum *args, bool *isnull)
{
    int n = 0;

    for (int i = 0; i < proc_slot_count; i++)
        n += atomic_load_explicit(&proc_slots[i].pid, memory_order_relaxed) &&
             atomic_load_explicit(&proc_slots[i].database, memory_order_relaxed) == datum_oid(args[0]);
    return int32_datum(n);
}

/* ---- locks ---- */

static const char *const lock_types[] = {"relation", "extend", "frozenid", "page", "tuple", "transactionid", "virtualxid", "spectoken", "object",
                                         "userlock", "advisory"};

static void
add_lock(FnRows *rows, const LockView *l)
{
    Datum *v;
    bool *n;

    fn_rows_add(rows, &v, &n);
    ROW_TEXT(0, l->tag.type < COUNT_OF(lock_types) ? lock_types[l->tag.type] : "unknown");
    switch (l->tag.type) {
    case LOCKTAG_RELATION:
    case LOCKTAG_EXTEND:
    case LOCKTAG_PAGE:
    case LOCKTAG_TUPLE:
        ROW_SET(1, oid_datum(l->tag.f1));
        ROW_SET(2, oid_datum(l->tag.f2));
        if (l->tag.type == LOCKTAG_PAGE || l->tag.type == LOCKTAG_TUPLE)
            ROW_SET(3, int32_datum((int32_t)l->tag.f3));
        if (l->tag.type == LOCKTAG_TUPLE)
            ROW_SET(4, int16_datum((int16_t)l->tag.f4));
        break;
    case LOCKTAG_FROZENID:
        ROW_SET(1, oid_datum(l->tag.f1));
        break;
    case LOCKTAG_TRANSACTION:
    case LOCKTAG_SPECULATIVE:
        ROW_SET(6, (Datum)l->tag.f1);
        break;
    case LOCKTAG_VIRTUALXID:
        ROW_TEXT(5, arena_printf(rows->arena, "%u/%llu", l->tag.f1 + 1, (unsigned long long)l->tag.f2 | (unsigned long long)l->tag.f3 << 32));
        break;
    default:
        ROW_SET(1, oid_datum(l->tag.f1));
        ROW_SET(7, oid_datum(l->tag.f2));
        ROW_SET(8, oid_datum(l->tag.f3));
        ROW_SET(9, int16_datum((int16_t)l->tag.f4));
        break;
    }
    ROW_TEXT(10, arena_printf(rows->arena, "%u/%llu", l->slot + 1, (unsigned long long)l->local_xact));
    if (l->pid)
        ROW_SET(11, int32_datum((int32_t)l->pid));
    ROW_TEXT(12, lock_mode_name(l->mode));
    ROW_SET(13, bool_datum(l->granted));
    ROW_SET(14, bool_datum(l->fastpath));
    if (!l->granted && l->wait_start)
        ROW_SET(15, int64_datum(l->wait_start));
}

static void
add_predicate_lock(FnRows *rows, const PredLockView *l)
{
    Datum *v;
    bool *n;

    fn_rows_add(rows, &v, &n);
    ROW_TEXT(0, l->block == BLOCK_INVALID ? "relation" : l->off == 0 ? "page" : "tuple");
    ROW_SET(1, oid_datum(l->db));
    ROW_SET(2, oid_datum(l->rel));
    if (l->block != BLOCK_INVALID)
        ROW_SET(3, int32_datum((int32_t)l->block));
    if (l->off != 0)
        ROW_SET(4, int16_datum((int16_t)l->off));
    if (l->pid) {
        ROW_TEXT(10, arena_printf(rows->arena, "%u/%llu", l->slot + 1, (unsigned long long)l->local_xact));
        ROW_SET(11, int32_datum((int32_t)l->pid));
    }
    ROW_TEXT(12, "SIReadLock");
    ROW_SET(13, bool_datum(true));
    ROW_SET(14, bool_datum(false));
}

/* Every transaction holds its own virtual id exclusively; that takes no entry in the lock table here. */
static void
add_virtual_transactions(FnRows *rows)
{
    for (int i = 0; i < proc_slot_count; i++) {
        const ProcSlot *s = &proc_slots[i];
        uint32_t pid = atomic_load_explicit(&s->pid, memory_order_relaxed);
        Datum *v;
        bool *n;

        if (!pid || atomic_load_explicit(&s->xact_start, memory_order_relaxed) == 0)
            continue;
        fn_rows_add(rows, &v, &n);
        ROW_TEXT(0, "virtualxid");
        ROW_TEXT(5, arena_printf(rows->arena, "%d/%llu", i + 1, (unsigned long long)s->local_xact));
        ROW_TEXT(10, arena_printf(rows->arena, "%d/%llu", i + 1, (unsigned long long)s->local_xact));
        ROW_SET(11, int32_datum((int32_t)pid));
        ROW_TEXT(12, lock_mode_name(LOCK_EXCLUSIVE));
        ROW_SET(13, bool_datum(true));
        ROW_SET(14, bool_datum(true));
    }
}

bool
setc_lock_status(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 16);

    if (rows) {
        LockView *l;
        PredLockView *p;
        int count = lock_snapshot(rows->arena, &l);

        for (int i = 0; i < count; i++)
            add_lock(rows, &l[i]);
        add_virtual_transactions(rows);
        count = pred_lock_snapshot(rows->arena, &p);
        for (int i = 0; i < count; i++)
            add_predicate_lock(rows, &p[i]);
    }
    return fn_rows_next(c, out, outnull);
}

/* ---- progress ---- */

bool
setc_stat_get_progress_info(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 3 + PROC_PROGRESS_PARAMS);
    ProcProgressCommand wanted = rows ? proc_progress_command(text_arg(c, args[0])) : PROGRESS_NONE;

    if (rows && wanted == PROGRESS_NONE)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid command name: \"%s\"", text_arg(c, args[0]));
    for (int i = 0; rows && i < proc_slot_count; i++) {
        const ProcSlot *s = &proc_slots[i];
        uint32_t pid = atomic_load_explicit(&s->pid, memory_order_relaxed);
        Datum *v;
        bool *n;

        /* relaxed: an observer */
        if (!pid || atomic_load_explicit(&s->progress_command, memory_order_relaxed) != wanted)
            continue;
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, int32_datum((int32_t)pid));
        ROW_SET(1, oid_datum(atomic_load_explicit(&s->database, memory_order_relaxed)));
        if (!may_see(s))
            continue;
        ROW_SET(2, oid_datum(atomic_load_explicit(&s->progress_rel, memory_order_relaxed)));
        for (int k = 0; k < PROC_PROGRESS_PARAMS; k++)
            ROW_SET(3 + k, int64_datum(atomic_load_explicit(&s->progress[k], memory_order_relaxed)));
    }
    return fn_rows_next(c, out, outnull);
}
