/*
 * Helpers of all commands: values of options, names to relations, rows of catalog tables.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "core/sql/command/command_internal.h"

bool allow_system_table_mods;

const char *
pnode_string(const PNode *n)
{
    return n && n->node_case == PN(STRING) ? n->string->sval : NULL;
}

static char *
const_text(Arena *a, const PgQuery__AConst *c)
{
    switch (c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL: return arena_printf(a, "%d", c->ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL: return c->fval->fval;
    case PG_QUERY__A__CONST__VAL_BOOLVAL: return arena_strdup(a, c->boolval->boolval ? "true" : "false");
    case PG_QUERY__A__CONST__VAL_SVAL: return c->sval->sval;
    case PG_QUERY__A__CONST__VAL_BSVAL: return c->bsval->bsval;
    default: return arena_strdup(a, "0");
    }
}

char *
def_string(Arena *a, const PgQuery__DefElem *d)
{
    const PNode *n = d->arg;

    if (n == NULL || n->node_case == PG_QUERY__NODE__NODE__NOT_SET)
        RAISE(SQLSTATE_SYNTAX_ERROR, "%s requires a parameter", d->defname);
    switch (n->node_case) {
    case PN(STRING): return n->string->sval;
    case PN(INTEGER): return arena_printf(a, "%d", n->integer->ival);
    case PN(FLOAT): return n->float_->fval;
    case PN(BOOLEAN): return arena_strdup(a, n->boolean->boolval ? "true" : "false");
    case PN(A_CONST): return const_text(a, n->a_const);
    case PN(TYPE_NAME): return names_text(a, n->type_name->names, n->type_name->n_names);
    case PN(LIST): return names_text(a, n->list->items, n->list->n_items);
    case PN(A_STAR): return arena_strdup(a, "*");
    default: RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized node type in option \"%s\"", d->defname);
    }
}

bool
def_bool(const PgQuery__DefElem *d)
{
    const PNode *n = d->arg;

    if (n == NULL || n->node_case == PG_QUERY__NODE__NODE__NOT_SET)
        return true;
    if (n->node_case == PN(INTEGER) && (n->integer->ival == 0 || n->integer->ival == 1))
        return n->integer->ival == 1;
    if (n->node_case == PN(BOOLEAN))
        return n->boolean->boolval;
    if (n->node_case == PN(A_CONST)) { /* modes of transactions; a zero comes without its value */
        const PgQuery__AConst *k = n->a_const;
        if (k->val_case == PG_QUERY__A__CONST__VAL_IVAL && (k->ival->ival == 0 || k->ival->ival == 1))
            return k->ival->ival == 1;
        if (k->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL)
            return k->boolval->boolval;
        if (k->val_case == PG_QUERY__A__CONST__VAL__NOT_SET)
            return false;
    }
    if (n->node_case != PN(INTEGER)) {
        const char *s = def_string(txn_arena(), d);
        if (str_casecmp_ascii(s, "true") == 0 || str_casecmp_ascii(s, "on") == 0)
            return true;
        if (str_casecmp_ascii(s, "false") == 0 || str_casecmp_ascii(s, "off") == 0)
            return false;
    }
    RAISE(SQLSTATE_SYNTAX_ERROR, "%s requires a Boolean value", d->defname);
}

int64_t
def_int64(const PgQuery__DefElem *d)
{
    const PNode *n = d->arg;

    if (n && n->node_case == PN(INTEGER))
        return n->integer->ival;
    if (n && n->node_case == PN(FLOAT)) {
        Arena *a = txn_arena();
        FnCtx c = {.arena = a, .state_arena = a};
        const char *t = n->float_->fval;
        return datum_int64(type_ops(INT8_OID)->in(&c, t, strlen(t), 0, -1));
    }
    RAISE(SQLSTATE_SYNTAX_ERROR, "%s requires a numeric value", d->defname);
}

double
def_double(const PgQuery__DefElem *d)
{
    const PNode *n = d->arg;

    if (n && n->node_case == PN(INTEGER))
        return n->integer->ival;
    if (n && n->node_case == PN(FLOAT))
        return strtod(n->float_->fval, NULL);
    RAISE(SQLSTATE_SYNTAX_ERROR, "%s requires a numeric value", d->defname);
}

char *
names_text(Arena *a, PNode **names, size_t n)
{
    StrBuf s;

    str_init(&s, a);
    for (size_t i = 0; i < n; i++) {
        const char *z = pnode_string(names[i]);
        str_printf(&s, "%s%s", i ? "." : "", z ? z : "*");
    }
    return s.data;
}

void
names_split(PNode **names, size_t n, const char **nsp, const char **name)
{
    *nsp = NULL;
    if (n == 0 || n > 3)
        RAISE(SQLSTATE_SYNTAX_ERROR, "improper qualified name (too many dotted names): %s", names_text(txn_arena(), names, n));
    *name = pnode_string(names[n - 1]);
    if (n >= 2)
        *nsp = pnode_string(names[n - 2]);
    if (n == 3) {
        const CatRow *db = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);
        if (db == NULL || strcmp(cat_name(txn_arena(), db, PG_DATABASE_DATNAME), pnode_string(names[0])) != 0)
            UNSUPPORTED("cross-database references are not implemented: %s", names_text(txn_arena(), names, n));
    }
}

void
node_items(PNode *const *n, PNode *const **items, size_t *count)
{
    if ((*n)->node_case == PN(LIST)) {
        *items = (*n)->list->items;
        *count = (*n)->list->n_items;
    } else {
        *items = n;
        *count = 1;
    }
}

Oid
role_spec_oid(const PgQuery__RoleSpec *r, bool missing_ok)
{
    switch (r->roletype) {
    case PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CURRENT_ROLE:
    case PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CURRENT_USER: return current_user_oid;
    case PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_SESSION_USER: return session_user_oid;
    case PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_PUBLIC:
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "role \"%s\" does not exist", "public");
    default: return role_oid(r->rolename, missing_ok);
    }
}

Oid
role_spec_oid_or_public(const PgQuery__RoleSpec *r)
{
    return r->roletype == PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_PUBLIC ? 0 : role_spec_oid(r, false);
}

/* ---- relations ---- */

char *
range_var_text(Arena *a, const PgQuery__RangeVar *rv)
{
    return GIVEN(rv->schemaname) ? arena_printf(a, "%s.%s", rv->schemaname, rv->relname) : arena_strdup(a, rv->relname);
}

void
range_var_check_catalog(const PgQuery__RangeVar *rv)
{
    if (!GIVEN(rv->catalogname))
        return;
    const CatRow *db = cat_get_by_oid(CAT_PG_DATABASE, catalog_database);
    if (db == NULL || strcmp(cat_name(txn_arena(), db, PG_DATABASE_DATNAME), rv->catalogname) != 0)
        UNSUPPORTED("cross-database references are not implemented: \"%s.%s.%s\"", rv->catalogname, rv->schemaname, rv->relname);
}

Oid
range_var_lookup(const PgQuery__RangeVar *rv, bool missing_ok)
{
    const char *nsp = GIVEN(rv->schemaname) ? rv->schemaname : NULL;

    range_var_check_catalog(rv);
    if (nsp && !missing_ok && strcmp(nsp, "pg_temp") != 0)
        nsp_oid(nsp, false);
    if (nsp && missing_ok && strcmp(nsp, "pg_temp") != 0 && nsp_oid(nsp, true) == 0)
        return 0;
    Oid oid = rel_lookup(nsp, rv->relname);
    if (oid == 0 && !missing_ok)
        RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", range_var_text(txn_arena(), rv));
    return oid;
}

RelDesc *
range_var_open(const PgQuery__RangeVar *rv, LockMode lock, bool missing_ok)
{
    for (;;) {
        Oid oid = range_var_lookup(rv, missing_ok);
        if (oid == 0)
            return NULL;
        RelDesc *r = rel_try_open(oid, lock);
        if (range_var_lookup(rv, missing_ok) == oid && r != NULL)
            return r;
    }
}

RelDesc *
rel_open_again(Oid oid)
{
    return rel_open(oid, LOCK_ACCESS_SHARE); /* a stronger one is held: no wait */
}

/* Single-user processes (initdb) and whoever has set allow_system_table_mods may change the catalogs. */
bool
system_changes_allowed(void)
{
    /* relaxed: this process's own slot, written by itself */
    return allow_system_table_mods || proc_self == NULL ||
           atomic_load_explicit(&proc_self->kind, memory_order_relaxed) == PROC_STANDALONE;
}

void
require_ordinary(const RelDesc *r)
{
    if (r->oid < OID_FIRST_USER && r->nsp == NSP_CATALOG && !system_changes_allowed())
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied: \"%s\" is a system catalog", r->name);
}

void
check_new_relation_schema(Oid nsp, const char *name)
{
    if (nsp == NSP_CATALOG && !system_changes_allowed())
        RAISE_ERR(SQLSTATE_INSUFFICIENT_PRIVILEGE, err_message("permission denied to create \"pg_catalog.%s\"", name),
                  err_detail("System catalog modifications are currently disallowed."));
}

const char *
relkind_noun(char kind)
{
    switch (kind) {
    case 'r': case 'p': return "table";
    case 'i': case 'I': return "index";
    case 'S': return "sequence";
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'c': return "composite type";
    case 'f': return "foreign table";
    case 't': return "TOAST table";
    default: return "relation";
    }
}

bool
relation_is_temp(const RelDesc *r)
{
    return r->persistence == 't';
}

void
relation_drop_check(Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (r && session_hooks.relation_in_use)
        check_relation_busy(rel, (char)cat_val(r, PG_CLASS_RELKIND) == 'i' ? "DROP INDEX" : "DROP TABLE");
}

void
check_relation_busy(Oid rel, const char *what)
{
    if (session_hooks.relation_in_use && session_hooks.relation_in_use(rel))
        RAISE(SQLSTATE_OBJECT_IN_USE, "cannot %s \"%s\" because it is being used by active queries in this session", what, cat_name(txn_arena(), cat_get_by_oid(CAT_PG_CLASS, rel), PG_CLASS_RELNAME));
}

/* ---- catalog rows ---- */

RowEdit *
row_new(Arena *a, Oid table)
{
    RowEdit *e = ARENA_NEW(a, RowEdit);

    e->table = table;
    e->values = ARENA_ARRAY(a, Datum, CAT_MAX_COLUMNS);
    e->nulls = ARENA_ARRAY(a, bool, CAT_MAX_COLUMNS);
    memset(e->nulls, true, CAT_MAX_COLUMNS);
    return e;
}

RowEdit *
row_edit(Arena *a, Oid table, const CatRow *r)
{
    RowEdit *e = row_new(a, table);

    if (r == NULL)
        INTERNAL_ERROR("cache lookup failed for a row of catalog %u", table);
    memcpy(e->values, r->values, sizeof(Datum) * (size_t)r->ncols);
    memcpy(e->nulls, r->nulls, sizeof(bool) * (size_t)r->ncols);
    e->tid = r->tid;
    return e;
}

void
row_insert(RowEdit *e)
{
    cat_insert(e->table, e->values, e->nulls);
    txn_command_increment();
}

void
row_save(RowEdit *e)
{
    cat_update(e->table, e->tid, e->values, e->nulls);
    txn_command_increment();
}

RowEdit *
class_edit(Arena *a, Oid rel)
{
    return row_edit(a, CAT_PG_CLASS, cat_get_by_oid(CAT_PG_CLASS, rel));
}

RowEdit *
attribute_edit(Arena *a, Oid rel, int attnum)
{
    return row_edit(a, CAT_PG_ATTRIBUTE,
                    cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0));
}

/* ---- rows to the client ---- */

RowDesc *
row_desc_new(Arena *a, int n, ...)
{
    RowDesc *d = ARENA_NEW(a, RowDesc);
    va_list ap;

    d->n = n;
    d->cols = ARENA_ARRAY(a, RowColumn, n);
    va_start(ap, n);
    for (int i = 0; i < n; i++) {
        d->cols[i].name = va_arg(ap, const char *);
        d->cols[i].type = va_arg(ap, Oid);
        d->cols[i].typmod = -1;
    }
    va_end(ap);
    return d;
}

void
emit_row(CommandContext *c, const RowDesc *desc, const Datum *values, const bool *nulls)
{
    ArenaMark m = arena_mark(c->arena);
    Batch *b = batch_new(c->arena, desc->n);

    b->n = b->nsel = 1;
    for (int i = 0; i < desc->n; i++) {
        b->cols[i].v[0] = values[i];
        if (nulls && nulls[i])
            vec_set_null(&b->cols[i], 0);
    }
    c->dest->rows(c->dest, b);
    arena_release(c->arena, m);
}

/* ---- internal queries ---- */

PlannedStmt *
plan_statement(CommandContext *c, const PNode *stmt, int cursor_options)
{
    RawStmt *raw = ARENA_NEW(c->arena, RawStmt);
    ParamTypes *types = ARENA_NEW(c->arena, ParamTypes);

    raw->node = (PNode *)stmt;
    if (c->params) {
        types->types = c->params->types;
        types->count = c->params->count;
    }
    types->arena = c->arena;
    Node *n = sql_analyze(c->arena, raw, c->text, types);
    List *plans = sql_plan_all(c->arena, n, c->text, c->params, cursor_options);
    if (list_count(plans) != 1)
        UNSUPPORTED("statements that rewrite to several are not supported here");
    return list_at(plans, 0);
}

uint64_t
run_query(CommandContext *c, const PNode *stmt, Dest *dest, const RowDesc **desc)
{
    PlannedStmt *p = plan_statement(c, stmt, 0);
    Exec *x = exec_create(c->arena, p);

    exec_start(x, snapshot_for_statement(), c->params, false);
    if (desc)
        *desc = exec_row_desc(x);
    uint64_t n = exec_run(x, 0, false, dest);
    exec_finish(x);
    return n;
}
