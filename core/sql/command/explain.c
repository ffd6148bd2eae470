/*
 * EXPLAIN: options, planning (and with ANALYZE running) the statement, and the lines as rows.
 */
#include "core/base/clock.h"
#include "core/sql/command/command_internal.h"

static int
explain_format(Arena *a, const PgQuery__DefElem *d)
{
    static const char *const names[] = {"text", "xml", "json", "yaml"};
    const char *v = def_string(a, d);
    for (int i = 0; i < 4; i++)
        if (strcmp(v, names[i]) == 0)
            return i;
    RAISE_AT(SQLSTATE_INVALID_PARAMETER_VALUE, d->location, "unrecognized value for EXPLAIN option \"%s\": \"%s\"", d->defname, v);
}

static ExplainOptions
options_of(Arena *a, const PgQuery__ExplainStmt *s)
{
    ExplainOptions o = {.costs = true};
    bool timing_set = false, summary_set = false, timing = false, summary = false;
    for (size_t i = 0; i < s->n_options; i++) {
        const PgQuery__DefElem *d = s->options[i]->def_elem;
        if (strcmp(d->defname, "analyze") == 0)
            o.analyze = def_bool(d);
        else if (strcmp(d->defname, "verbose") == 0)
            o.verbose = def_bool(d);
        else if (strcmp(d->defname, "costs") == 0)
            o.costs = def_bool(d);
        else if (strcmp(d->defname, "buffers") == 0)
            o.buffers = def_bool(d);
        else if (strcmp(d->defname, "wal") == 0)
            o.wal = def_bool(d);
        else if (strcmp(d->defname, "settings") == 0)
            o.settings = def_bool(d);
        else if (strcmp(d->defname, "timing") == 0) {
            timing_set = true;
            timing = def_bool(d);
        } else if (strcmp(d->defname, "summary") == 0) {
            summary_set = true;
            summary = def_bool(d);
        } else if (strcmp(d->defname, "format") == 0)
            o.format = explain_format(a, d);
        else
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "unrecognized EXPLAIN option \"%s\"", d->defname);
    }
    if (o.wal && !o.analyze)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "EXPLAIN option WAL requires ANALYZE");
    o.timing = timing_set ? timing : o.analyze;
    if (o.timing && !o.analyze)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "EXPLAIN option TIMING requires ANALYZE");
    o.summary = summary_set ? summary : o.analyze;
    return o;
}

RowDesc *
explain_desc(Arena *a, const PgQuery__ExplainStmt *s)
{
    ExplainOptions o = options_of(a, s);
    Oid type = o.format == 2 ? JSON_OID : TEXT_OID; /* there is no type xml */
    return row_desc_new(a, 1, "QUERY PLAN", type);
}

/* Lines of the text format are rows; the other formats are one value. */
static void
emit_text(CommandContext *c, const RowDesc *desc, const StrBuf *text, bool by_line)
{
    const char *p = text->data, *end = p + text->len;
    Arena *a = arena_create(c->arena, "explain rows");
    List *lines = list_new(a);
    while (p < end) {
        const char *nl = by_line ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
        Datum *d = ARENA_NEW(a, Datum);
        *d = var_make(a, p, n);
        list_push(lines, d);
        p += n + (nl ? 1 : 0);
    }
    Batch *b = batch_new(a, 1);
    c->dest->start(c->dest, desc);
    for (int i = 0; i < lines->count;) {
        int n = 0;
        for (; n < BATCH_ROWS && i < lines->count; n++, i++)
            b->cols[0].v[n] = *(Datum *)lines->items[i];
        b->n = b->nsel = n;
        c->dest->rows(c->dest, b);
    }
    c->dest->finish(c->dest);
    arena_destroy(a);
}

static void
explain_one(CommandContext *c, PlannedStmt *p, const ParamValues *params, const ExplainOptions *o, double planning_ms, StrBuf *out)
{
    Exec *x = exec_create(c->arena, p);
    uint64_t start = clock_monotonic_us();
    if (o->analyze) {
        exec_instrument(x, o);
        exec_start(x, snapshot_active(), params, false);
        exec_run(x, 0, false, &dest_none);
        exec_finish(x);
    }
    double run_ms = (double)(clock_monotonic_us() - start) / 1000;
    ExplainOptions timed = *o;
    timed.planning_ms = planning_ms;
    timed.execution_ms = run_ms;
    explain_plan(c->arena, p, o->analyze ? x : NULL, &timed, out);
    exec_destroy(x);
}

void
cmd_explain(CommandContext *c, const PgQuery__ExplainStmt *s)
{
    ExplainOptions o = options_of(c->arena, s);
    RowDesc *desc = explain_desc(c->arena, s);
    StrBuf out;
    str_init(&out, c->arena);
    const PNode *q = s->query;
    uint64_t start = clock_monotonic_us();
    if (q->node_case == PN(CREATE_TABLE_AS_STMT))
        q = q->create_table_as_stmt->query;
    if (q->node_case == PN(DECLARE_CURSOR_STMT))
        q = q->declare_cursor_stmt->query;
    if (q->node_case == PN(EXECUTE_STMT)) {
        ParamValues *params = NULL;
        if (session_hooks.explain_execute == NULL)
            UNSUPPORTED("EXPLAIN EXECUTE is not supported without a session");
        PlannedStmt *p = session_hooks.explain_execute(c, q->execute_stmt, &params);
        explain_one(c, p, params, &o, (double)(clock_monotonic_us() - start) / 1000, &out);
    } else if (q->node_case == PN(SELECT_STMT) || q->node_case == PN(INSERT_STMT) || q->node_case == PN(UPDATE_STMT) || q->node_case == PN(DELETE_STMT) ||
               q->node_case == PN(MERGE_STMT)) {
        PlannedStmt *p = plan_statement(c, q, 0);
        explain_one(c, p, c->params, &o, (double)(clock_monotonic_us() - start) / 1000, &out);
    } else
        str_add(&out, "Utility statements have no plan structure\n");
    emit_text(c, desc, &out, o.format == 0);
}
