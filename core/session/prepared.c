/*
 * Prepared statements: by protocol (Parse) and by SQL (PREPARE, EXECUTE, DEALLOCATE).
 */
#include <stdio.h>

#include "core/session/session_internal.h"

static Prepared *prepared_list;
static CachedPlan *unnamed;

Prepared *
prepared_find(const char *name, bool missing_ok)
{
    for (Prepared *p = prepared_list; p; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p;
    if (!missing_ok)
        RAISE(SQLSTATE_INVALID_SQL_STATEMENT_NAME, "prepared statement \"%s\" does not exist", name);
    return NULL;
}

void
prepared_store(const char *name, CachedPlan *plan, bool from_sql)
{
    if (prepared_find(name, true))
        RAISE(SQLSTATE_DUPLICATE_PSTATEMENT, "prepared statement \"%s\" already exists", name);
    Prepared *p = ARENA_NEW(plan->arena, Prepared);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->plan = plan;
    p->from_sql = from_sql;
    p->time = clock_now();
    p->next = prepared_list;
    prepared_list = p;
}

void
prepared_drop(const char *name)
{
    for (Prepared **at = &prepared_list; *at; at = &(*at)->next)
        if (strcmp((*at)->name, name) == 0) {
            CachedPlan *plan = (*at)->plan;
            *at = (*at)->next;
            cached_plan_release(plan); /* the Prepared lives in its arena */
            return;
        }
}

void
prepared_drop_all(void)
{
    while (prepared_list)
        prepared_drop(prepared_list->name);
    prepared_set_unnamed(NULL);
}

CachedPlan *
prepared_unnamed(void)
{
    if (unnamed == NULL)
        RAISE(SQLSTATE_INVALID_SQL_STATEMENT_NAME, "unnamed prepared statement does not exist");
    return unnamed;
}

void
prepared_set_unnamed(CachedPlan *p)
{
    if (unnamed)
        cached_plan_release(unnamed);
    unnamed = p;
}

/* ---- PREPARE ---- */

void
prepared_statement(CommandContext *c, const PgQuery__PrepareStmt *s)
{
    if (s->name[0] == '\0')
        RAISE(SQLSTATE_INVALID_SQL_STATEMENT_NAME, "invalid statement name: must not be empty");
    if (prepared_find(s->name, true))
        RAISE(SQLSTATE_DUPLICATE_PSTATEMENT, "prepared statement \"%s\" already exists", s->name);
    CachedPlan *p = cached_plan_new("prepared statement");
    ERR_TRY
    {
        Oid types[100];
        int n = (int)s->n_argtypes;
        if (n > (int)COUNT_OF(types))
            UNSUPPORTED("more than %d parameters in PREPARE are not supported", (int)COUNT_OF(types));
        for (int i = 0; i < n; i++)
            sql_resolve_type_name(s->argtypes[i]->type_name, c->text, &types[i], NULL);
        /* The raw tree belongs to the message: parse the text again into the statement's own arena. */
        char *text = arena_strdup(p->arena, c->text);
        List *raws = sql_parse(p->arena, text);
        RawStmt *found = NULL;
        for (int i = 0; i < raws->count && !found; i++) {
            RawStmt *r = raws->items[i];
            if (r->node->node_case == PG_QUERY__NODE__NODE_PREPARE_STMT && strcmp(r->node->prepare_stmt->name, s->name) == 0) {
                found = arena_memdup(p->arena, r, sizeof *r);
                found->node = r->node->prepare_stmt->query;
            }
        }
        if (found == NULL)
            INTERNAL_ERROR("PREPARE statement not found in its own text");
        switch (found->node->node_case) {
        case PG_QUERY__NODE__NODE_SELECT_STMT: case PG_QUERY__NODE__NODE_INSERT_STMT: case PG_QUERY__NODE__NODE_UPDATE_STMT:
        case PG_QUERY__NODE__NODE_DELETE_STMT: case PG_QUERY__NODE__NODE_MERGE_STMT: break;
        default: RAISE(SQLSTATE_INVALID_PSTATEMENT_DEFINITION, "utility statements cannot be prepared");
        }
        cached_plan_init(p, text, found, types, n, true);
        cached_plan_ready(p);
        for (int i = 0; i < p->params.count; i++)
            if (p->params.types[i] == 0 || p->params.types[i] == UNKNOWN_OID)
                RAISE(SQLSTATE_INDETERMINATE_DATATYPE, "could not determine data type of parameter $%d", i + 1);
        prepared_store(s->name, p, true);
    }
    ERR_CATCH
    {
        cached_plan_release(p);
        err_rethrow();
    }
    ERR_END;
}

/* ---- EXECUTE ---- */

static ParamValues *
execute_params(Arena *a, const CachedPlan *p, const PgQuery__ExecuteStmt *s, const char *text)
{
    int n = (int)s->n_params;
    if (n != p->params.count)
        RAISE_ERR(SQLSTATE_SYNTAX_ERROR, err_message("wrong number of parameters for prepared statement \"%s\"", s->name),
                  err_detail("Expected %d parameters but got %d.", p->params.count, n));
    ParamValues *v = ARENA_NEW(a, ParamValues);
    v->count = n;
    v->types = p->params.types;
    v->values = ARENA_ARRAY(a, Datum, n + 1);
    v->nulls = ARENA_ARRAY(a, bool, n + 1);
    for (int i = 0; i < n; i++) {
        Expr *e = sql_analyze_expr(a, s->params[i], NULL, text, "EXECUTE parameters");
        Oid want = p->params.types[i];
        ERR_TRY
        {
            e = sql_coerce_assignment(a, e, want, -1, 0, "parameter");
        }
        ERR_CATCH
        {
            if (err_current()->sqlstate != SQLSTATE_DATATYPE_MISMATCH)
                err_rethrow();
            err_clear();
            RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH,
                      err_message("parameter $%d of type %s cannot be coerced to the expected type %s", i + 1, type_format(a, e->type, -1, false), type_format(a, want, -1, false)),
                      err_hint("You will need to rewrite or cast the expression."), err_position(e->location));
        }
        ERR_END;
        v->values[i] = expr_eval_const(a, e, &v->nulls[i], NULL);
    }
    return v;
}

void
prepared_execute(CommandContext *c, const PgQuery__ExecuteStmt *s)
{
    Prepared *p = prepared_find(s->name, false);
    cached_plan_ready(p->plan);
    ParamValues *params = execute_params(c->arena, p->plan, s, c->text);
    Portal *portal = portal_create("", true);
    portal_bind(portal, p->plan, params, NULL, 0);
    portal_run(portal, 0, c->dest, c->top_level);
    snprintf(c->tag, sizeof c->tag, "%s", portal->tag);
    portal_drop(portal);
}

RowDesc *
prepared_execute_desc(Arena *a, const PgQuery__ExecuteStmt *s)
{
    (void)a;
    Prepared *p = prepared_find(s->name, true);
    return p ? (RowDesc *)(uintptr_t)cached_plan_desc(p->plan) : NULL;
}

PlannedStmt *
prepared_explain(CommandContext *c, const PgQuery__ExecuteStmt *s, ParamValues **params)
{
    Prepared *p = prepared_find(s->name, false);
    cached_plan_ready(p->plan);
    *params = execute_params(c->arena, p->plan, s, c->text);
    return list_at(p->plan->plans, 0);
}

void
prepared_deallocate(CommandContext *c, const PgQuery__DeallocateStmt *s)
{
    (void)c;
    if (s->name[0] == '\0') {
        while (prepared_list)
            prepared_drop(prepared_list->name);
        return;
    }
    prepared_find(s->name, false);
    prepared_drop(s->name);
}

/* ---- pg_prepared_statements ---- */

int
prepared_list_views(Arena *a, PreparedView **out)
{
    int n = 0;
    for (const Prepared *p = prepared_list; p; p = p->next)
        n++;
    *out = ARENA_ARRAY(a, PreparedView, n + 1);
    n = 0;
    for (const Prepared *p = prepared_list; p; p = p->next)
        (*out)[n++] = (PreparedView){.name = p->name, .statement = p->plan->text, .prepared = p->time, .types = p->plan->params.types,
                                     .ntypes = p->plan->params.count, .from_sql = p->from_sql, .generic_plans = (int64_t)p->plan->uses};
    return n;
}
