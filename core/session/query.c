/*
 * The simple and the extended query protocol.
 */
#include <stdio.h>

#include "core/session/session_internal.h"

/* ---- simple query: all statements of one text, one implicit block ---- */

/* multi: one of several, which share an implicit block; last: the end of it. */
static void
run_simple(CachedPlan *plan, ParamValues *params, bool multi, bool last)
{
    xact_check_not_aborted(plan->raw->node);
    xact_start_command();
    if (multi)
        xact_begin_implicit_block();
    CHECK_INTERRUPTS();
    cached_plan_ready(plan);
    Portal *p = portal_create("", true);
    portal_bind(p, plan, params, NULL, 0);
    Dest *dest = dest_wire(p->arena, plan->desc, NULL, 0, true);
    portal_run(p, 0, dest, true);
    char tag[64];
    memcpy(tag, p->tag, sizeof tag);
    portal_drop(p);
    if (last)
        xact_end_implicit_block();
    if (last || plan->is_transaction_stmt)
        xact_finish_command();
    else
        txn_command_increment();
    wire_send_command_complete(tag);
}

/* One statement of a parsed text: plans belong to the message and are not kept. */
static CachedPlan *
plan_for(const char *text, RawStmt *raw)
{
    CachedPlan *p = cached_plan_new("simple query");
    cached_plan_init(p, text, raw, NULL, 0, false);
    return p;
}

/* One of several statements of a message. */
static void
run_one_of(const char *text, RawStmt *raw, bool last)
{
    CachedPlan *one = plan_for(text, raw);
    session_timeouts_start(); /* an earlier one may have set the timeout */
    ERR_TRY
    {
        run_simple(one, NULL, true, last);
    }
    ERR_CATCH
    {
        cached_plan_release(one);
        err_rethrow();
    }
    ERR_END;
    cached_plan_release(one);
}

void
simple_query(const char *text)
{
    session_set_query(text);
    session_timeouts_start();
    prepared_set_unnamed(NULL);
    ParamValues *params = NULL;
    CachedPlan *cached = statement_cache_find(text, &params, message_arena);
    if (cached) {
        run_simple(cached, params, false, true);
        session_timeouts_stop();
        return;
    }
    /* The tree lives in an arena of its own, since a single statement may be kept. */
    CachedPlan *keep = cached_plan_new("statement");
    List *raws = NULL;
    bool noticed = false;
    ERR_TRY
    {
        char *copy = arena_strdup(keep->arena, text);
        raws = sql_parse_aloud(keep->arena, copy, &noticed);
        if (raws->count == 1)
            cached_plan_init(keep, copy, raws->items[0], NULL, 0, false);
        else
            keep->text = copy;
    }
    ERR_CATCH
    {
        cached_plan_release(keep);
        xact_start_command(); /* a syntax error also aborts an open block */
        err_rethrow();
    }
    ERR_END;
    if (raws->count == 0) {
        wire_begin('I');
        wire_end();
        cached_plan_release(keep);
        session_timeouts_stop();
        return;
    }
    bool multi = raws->count > 1;
    ERR_TRY
    {
        if (!multi) {
            run_simple(keep, NULL, false, true);
            if (!noticed) /* a cached text is not lexed again */
                statement_cache_store(text, keep);
        } else {
            for (int i = 0; i < raws->count; i++)
                run_one_of(keep->text, raws->items[i], i == raws->count - 1);
        }
    }
    ERR_CATCH
    {
        cached_plan_release(keep);
        err_rethrow();
    }
    ERR_END;
    cached_plan_release(keep);
    session_timeouts_stop();
}

/* ---- extended protocol ---- */

/* A statement as Parse makes it, owned by the caller. *noticed: its text gave rise to notices, which are due each time. */
static CachedPlan *
parse_statement(const char *message_text, const Oid *types, int n, bool *noticed)
{
    CachedPlan *p = cached_plan_new("prepared statement");
    ERR_TRY
    {
        char *text = arena_strdup(p->arena, message_text);
        List *raws = sql_parse_aloud(p->arena, text, noticed);
        if (raws->count > 1)
            RAISE(SQLSTATE_SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement");
        RawStmt *raw = raws->count ? raws->items[0] : NULL;
        if (raw)
            xact_check_not_aborted(raw->node);
        cached_plan_init(p, text, raw, types, n, true);
        if (raw) {
            if (!xact_is_aborted())
                cached_plan_ready(p);
            for (int i = 0; i < p->params.count; i++)
                if (p->params.types[i] == 0 || p->params.types[i] == UNKNOWN_OID)
                    RAISE(SQLSTATE_INDETERMINATE_DATATYPE, "could not determine data type of parameter $%d", i + 1);
            if (p->params.count > UINT16_MAX) /* nobody could bind them */
                RAISE(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "prepared statements can have at most %d parameters", UINT16_MAX);
        }
    }
    ERR_CATCH
    {
        cached_plan_release(p);
        err_rethrow();
    }
    ERR_END;
    return p;
}

/* The unnamed statement: drivers send the same few again and again. */
static void
parse_unnamed(const char *text, const Oid *types, int n)
{
    prepared_set_unnamed(NULL);
    CachedPlan *p = parse_cache_find(text, types, n);
    if (p) {
        p->in_use++;
    } else {
        bool noticed;
        p = parse_statement(text, types, n, &noticed);
        if (!noticed)
            parse_cache_store(text, types, n, p);
    }
    prepared_set_unnamed(p);
}

static void
parse_named(const char *name, const char *text, const Oid *types, int n)
{
    bool noticed;
    CachedPlan *p = parse_statement(text, types, n, &noticed);
    ERR_TRY
    {
        prepared_store(name, p, false);
    }
    ERR_CATCH
    {
        cached_plan_release(p);
        err_rethrow();
    }
    ERR_END;
}

void
extended_parse(void)
{
    const char *name = wire_get_string();
    const char *text = wire_get_string();
    int n = (uint16_t)wire_get_int16();
    Oid *types = ARENA_ARRAY(message_arena, Oid, n + 1);
    for (int i = 0; i < n; i++)
        types[i] = (Oid)wire_get_int32();
    wire_get_end();
    session_set_query(text);
    xact_start_command();
    if (name[0] == '\0')
        parse_unnamed(text, types, n);
    else
        parse_named(name, text, types, n);
    wire_begin('1');
    wire_end();
}

/* One parameter from its text or binary form. */
static Datum
bind_value(Arena *a, Oid type, const char *bytes, int32_t len, bool binary)
{
    int32_t mod = -1;
    Oid base = type_base(type, &mod);
    const TypeInfo *t = type_info(base);
    if (t->ops == NULL)
        UNSUPPORTED("parameters of type %s are not supported", type_format(a, type, -1, false));
    bool argnull[3] = {false};
    FnCtx c = {.arena = a, .state_arena = a, .ret_type = base, .ret_typmod = -1, .argnull = argnull, .collation = t->collation};
    if (binary) {
        if (t->ops->recv == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no binary input function available for type %s", type_format(a, base, -1, false));
        return t->ops->recv(&c, bytes, (size_t)len, t->elem, -1);
    }
    char *z = arena_strndup(a, bytes, (size_t)len);
    size_t ok = utf8_valid_prefix(z, (size_t)len);
    if (ok < (size_t)len || strlen(z) < (size_t)len) {
        unsigned char bad = ok < (size_t)len ? (unsigned char)z[ok] : 0;
        RAISE(SQLSTATE_CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x%02x", bad);
    }
    return t->ops->in(&c, z, (size_t)len, t->elem, -1);
}

/* A value too long for its binary form is reported with its place, as a type cannot know it. */
static NORETURN void
rethrow_for(const char *what, int i)
{
    const ErrReport *r = err_current();
    if (r->sqlstate != SQLSTATE_INVALID_BINARY_REPRESENTATION || r->message == NULL || strcmp(r->message, "incorrect binary data format") != 0)
        err_rethrow();
    err_clear();
    RAISE(SQLSTATE_INVALID_BINARY_REPRESENTATION, "incorrect binary data format in %s %d", what, i + 1);
}

/* The values of Bind and of FunctionCall: a length and as many bytes each. */
static void
read_values(ParamValues *v, const int16_t *formats, int nformats, Arena *a, const char *what)
{
    volatile int at = 0;
    ERR_TRY
    {
        for (int i = 0; i < v->count; i++) {
            at = i;
            int32_t len = wire_get_int32();
            int16_t f = nformats == 0 ? 0 : nformats == 1 ? formats[0] : formats[i];
            if (len == -1) {
                v->nulls[i] = true;
                continue;
            }
            const char *bytes = wire_get_bytes((size_t)len);
            if (f != 0 && f != 1)
                RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unsupported format code: %d", f);
            v->values[i] = bind_value(a, v->types[i], bytes, len, f == 1);
        }
    }
    ERR_CATCH
    {
        rethrow_for(what, at);
    }
    ERR_END;
}

void
extended_bind(void)
{
    const char *portal_name = arena_strdup(message_arena, wire_get_string());
    const char *stmt_name = wire_get_string();
    CachedPlan *plan = stmt_name[0] ? prepared_find(stmt_name, false)->plan : prepared_unnamed();
    session_set_query(plan->text);
    xact_start_command();
    int nformats = (uint16_t)wire_get_int16();
    int16_t *in_formats = ARENA_ARRAY(message_arena, int16_t, nformats + 1);
    for (int i = 0; i < nformats; i++)
        in_formats[i] = (int16_t)wire_get_int16();
    int nparams = (uint16_t)wire_get_int16();
    if (nformats > 1 && nformats != nparams)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "bind message has %d parameter formats but %d parameters", nformats, nparams);
    if (nparams != plan->params.count)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "bind message supplies %d parameters, but prepared statement \"%s\" requires %d", nparams, stmt_name, plan->params.count);
    if (plan->raw)
        xact_check_not_aborted(plan->raw->node);
    if (plan->raw && !xact_is_aborted())
        cached_plan_ready(plan);
    Portal *p = portal_create(portal_name, portal_name[0] == '\0');
    ParamValues *v = NULL;
    if (nparams) {
        v = ARENA_NEW(p->arena, ParamValues);
        v->count = nparams;
        v->types = plan->params.types;
        v->values = ARENA_ARRAY(p->arena, Datum, nparams + 1);
        v->nulls = ARENA_ARRAY(p->arena, bool, nparams + 1);
    }
    if (nparams)
        read_values(v, in_formats, nformats, p->arena, "bind parameter");
    int nresult = (uint16_t)wire_get_int16();
    int16_t *formats = ARENA_ARRAY(p->arena, int16_t, nresult + 1);
    for (int i = 0; i < nresult; i++)
        formats[i] = (int16_t)wire_get_int16();
    wire_get_end();
    int ncols = plan->desc ? plan->desc->n : 0;
    if (nresult > 1 && nresult != ncols)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "bind message has %d result formats but query has %d columns", nresult, ncols);
    portal_bind(p, plan, v, formats, nresult);
    wire_begin('2');
    wire_end();
}

static void
send_no_data(void)
{
    wire_begin('n');
    wire_end();
}

void
extended_describe(void)
{
    int kind = wire_get_byte();
    const char *name = wire_get_string();
    wire_get_end();
    if (kind == 'S') {
        CachedPlan *p = name[0] ? prepared_find(name, false)->plan : prepared_unnamed();
        xact_start_command();
        if (xact_is_aborted() && p->desc)
            xact_check_not_aborted(NULL);
        if (p->raw && !xact_is_aborted())
            cached_plan_ready(p);
        wire_begin('t');
        wire_put_int16(p->params.count);
        for (int i = 0; i < p->params.count; i++)
            wire_put_int32((int32_t)p->params.types[i]);
        wire_end();
        if (p->desc)
            wire_send_row_description(p->desc, NULL, 0);
        else
            send_no_data();
    } else if (kind == 'P') {
        Portal *p = portal_find(name);
        if (p == NULL)
            RAISE(SQLSTATE_INVALID_CURSOR_NAME, "portal \"%s\" does not exist", name);
        if (xact_is_aborted() && p->desc)
            xact_check_not_aborted(NULL);
        if (p->desc)
            wire_send_row_description(p->desc, p->formats, p->nformats);
        else
            send_no_data();
    } else
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "invalid DESCRIBE message subtype %d", kind);
}

void
extended_execute(void)
{
    const char *name = arena_strdup(message_arena, wire_get_string());
    int32_t max_rows = wire_get_int32();
    wire_get_end();
    Portal *p = portal_find(name);
    if (p == NULL)
        RAISE(SQLSTATE_INVALID_CURSOR_NAME, "portal \"%s\" does not exist", name);
    /* A COMMIT drops the portal, and may fail after that. */
    session_set_query(p->plan->is_utility || p->plan->is_transaction_stmt ? arena_strdup(message_arena, p->text) : p->text);
    if (p->plan->raw == NULL) {
        wire_begin('I');
        wire_end();
        return;
    }
    xact_start_command();
    session_timeouts_start();
    xact_check_not_aborted(p->plan->raw->node);
    CHECK_INTERRUPTS();
    bool transaction_stmt = p->plan->is_transaction_stmt;
    char tag[64];
    for (int i = 0; p->desc && i < p->nformats; i++)
        if (p->formats[i] != 0 && p->formats[i] != 1)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unsupported format code: %d", p->formats[i]);
    Dest *dest = dest_wire(p->arena, p->desc, p->formats, p->nformats, false);
    bool end = portal_run(p, max_rows > 0 ? (uint64_t)max_rows : 0, dest, true);
    memcpy(tag, p->tag, sizeof tag);
    if (end) {
        if (transaction_stmt)
            xact_finish_command();
        else
            xact_finish_execute();
        wire_send_command_complete(tag);
    } else {
        wire_begin('s');
        wire_end();
    }
    session_timeouts_stop();
}

void
extended_close(void)
{
    int kind = wire_get_byte();
    const char *name = wire_get_string();
    wire_get_end();
    if (kind == 'S') {
        if (name[0] == '\0')
            prepared_set_unnamed(NULL);
        else
            prepared_drop(name);
    } else if (kind == 'P') {
        Portal *p = portal_find(name);
        if (p)
            portal_drop(p);
    } else
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "invalid CLOSE message subtype %d", kind);
    wire_begin('3');
    wire_end();
}

/* ---- FunctionCall: one function by its OID, as libpq's large-object calls use it ---- */

static void
send_function_result(const FnInfo *f, Datum d, bool isnull, int format)
{
    if (format != 0 && format != 1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unsupported format code: %d", format);
    const TypeOps *ops = type_info(type_base(f->ret, NULL))->ops;
    FnCtx c = {.arena = message_arena, .state_arena = message_arena, .ret_type = f->ret, .ret_typmod = -1};
    StrBuf s;
    str_init(&s, message_arena);
    if (ops == NULL || (format == 0 ? ops->out == NULL : ops->send == NULL))
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "no %soutput function available for type %s", format ? "binary " : "", type_format(message_arena, f->ret, -1, false));
    if (!isnull && format == 0)
        ops->out(&c, d, &s);
    else if (!isnull)
        ops->send(&c, d, &s);
    wire_begin('V');
    wire_put_int32(isnull ? -1 : (int32_t)s.len);
    if (!isnull)
        wire_put_bytes(s.data, s.len);
    wire_end();
}

void
extended_function_call(void)
{
    Oid oid = (Oid)wire_get_int32();
    session_set_query("<FASTPATH> function call");
    session_timeouts_start();
    xact_check_not_aborted(NULL);
    xact_start_command();
    snapshot_push_active(snapshot_for_statement());
    if (!fn_exists(oid))
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "function with OID %u does not exist", oid);
    const FnInfo *f = fn_info(oid);
    if (f->kind != 'f' || f->retset || f->builtin == NULL || f->builtin->scalar == NULL)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "cannot call function \"%s\" via fastpath interface", f->name);
    if (!acl_check(CAT_PG_PROC, oid, current_user_oid, ACL_EXECUTE))
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for function %s", f->name);
    int nformats = (uint16_t)wire_get_int16();
    int16_t *formats = ARENA_ARRAY(message_arena, int16_t, nformats + 1);
    for (int i = 0; i < nformats; i++)
        formats[i] = (int16_t)wire_get_int16();
    int n = (uint16_t)wire_get_int16();
    if (n != f->nargs)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "function call message contains %d arguments but function requires %d", n, f->nargs);
    if (nformats > 1 && nformats != n)
        RAISE(SQLSTATE_PROTOCOL_VIOLATION, "function call message contains %d argument formats but %d arguments", nformats, n);
    ParamValues v = {.count = n, .types = (Oid *)(uintptr_t)f->args, .values = ARENA_ARRAY(message_arena, Datum, n + 1), .nulls = ARENA_ARRAY(message_arena, bool, n + 1)};
    read_values(&v, formats, nformats, message_arena, "function argument");
    int format = (int16_t)wire_get_int16();
    wire_get_end();
    bool isnull = false;
    for (int i = 0; i < n; i++)
        isnull |= f->strict && v.nulls[i];
    Datum d = 0;
    if (!isnull) {
        FnCtx c = {.arena = message_arena, .state_arena = message_arena, .argnull = v.nulls, .nargs = n, .fn_oid = oid, .collation = COLLATION_DEFAULT,
                   .ret_type = f->ret, .ret_typmod = -1, .arg_types = f->args};
        d = f->builtin->scalar(&c, v.values, &isnull);
    }
    send_function_result(f, d, isnull, format);
    snapshot_pop_active();
    xact_finish_command();
    session_timeouts_stop();
}
