/*
 * CREATE [OR REPLACE] VIEW: the analysed query is kept as the _RETURN rule of a relation without files.
 */
#include "core/sql/command/command_internal.h"

static NewColumn *
view_columns(CommandContext *c, const PgQuery__ViewStmt *s, Query *q, int *n)
{
    NewColumn *cols = ARENA_ARRAY(c->arena, NewColumn, list_count(q->targets) + 1);

    *n = 0;
    for (int i = 0; i < list_count(q->targets); i++) {
        TargetEntry *te = list_at(q->targets, i);
        if (te->junk)
            continue;
        if ((size_t)*n < s->n_aliases)
            te->name = (char *)pnode_string(s->aliases[*n]);
        cols[(*n)++] = (NewColumn){.name = te->name, .type = te->expr->type, .typmod = te->expr->typmod, .collation = te->expr->collation};
    }
    if (s->n_aliases > (size_t)*n)
        RAISE(SQLSTATE_SYNTAX_ERROR, "CREATE VIEW specifies more column names than columns");
    if (*n == 0)
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "view must have at least one column");
    for (int i = 0; i < *n; i++) {
        const TypeInfo *t = type_info(cols[i].type);
        if (t->collation && cols[i].collation == 0)
            RAISE_ERR(SQLSTATE_INDETERMINATE_COLLATION, err_message("could not determine which collation to use for view column \"%s\"", cols[i].name),
                      err_hint("Use the COLLATE clause to set the collation explicitly."));
        if (t->collation == 0)
            cols[i].collation = 0;
        if (t->typtype == 'p' && cols[i].type != UNKNOWN_OID && !(catalog_system_oids && cols[i].type == ANYARRAY_OID)) /* pg_stats */
            RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "column \"%s\" has pseudo-type %s", cols[i].name, type_format(c->arena, cols[i].type, -1, false));
        for (int k = 0; k < i; k++)
            if (strcmp(cols[k].name, cols[i].name) == 0)
                RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" specified more than once", cols[i].name);
    }
    return cols;
}

static bool
uses_temp_relation(void *n, void *arg)
{
    if (IS(n, RangeEntry)) {
        const RangeEntry *e = n;
        if (e->kind == RANGE_RELATION) {
            RelDesc *r = rel_cached(e->rel);
            if (r && r->persistence == 't')
                return true;
        }
    }
    return node_walk_children(n, uses_temp_relation, arg, true);
}

/* The new columns must begin with the old ones, unchanged. */
static void
check_replacement(CommandContext *c, RelDesc *old, const NewColumn *cols, int n)
{
    if (n < old->natts)
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "cannot drop columns from view");
    for (int i = 0; i < old->natts; i++) {
        const ColDesc *o = &old->cols[i];
        if (strcmp(o->name, cols[i].name) != 0)
            RAISE_ERR(SQLSTATE_INVALID_TABLE_DEFINITION, err_message("cannot change name of view column \"%s\" to \"%s\"", o->name, cols[i].name),
                      err_hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        if (o->type != cols[i].type || o->typmod != cols[i].typmod)
            RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "cannot change data type of view column \"%s\" from %s to %s", o->name,
                  type_format(c->arena, o->type, o->typmod, false), type_format(c->arena, cols[i].type, cols[i].typmod, false));
        if (o->collation != cols[i].collation)
            RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "cannot change collation of view column \"%s\"", o->name);
    }
}

static void
store_rule(CommandContext *c, Oid view, Query *q)
{
    Arena *a = c->arena;
    const CatRow *old = cat_get(IDX_PG_REWRITE_REL_RULENAME_INDEX, oid_datum(view), ptr_datum("_RETURN"), 0, 0);
    RowEdit *row = old ? row_edit(a, CAT_PG_REWRITE, old) : row_new(a, CAT_PG_REWRITE);
    Oid rule = old ? datum_oid(cat_val(old, PG_REWRITE_OID)) : cat_new_oid(CAT_PG_REWRITE);
    ObjAddr self = {CAT_PG_REWRITE, rule, 0};

    row_set(row, PG_REWRITE_EV_ACTION, var_from_cstring(a, node_write(a, q)));
    if (old) {
        row_save(row);
        depend_delete_for(self, 0);
    } else {
        row_set(row, PG_REWRITE_OID, oid_datum(rule));
        row_set_name(a, row, PG_REWRITE_RULENAME, "_RETURN");
        row_set(row, PG_REWRITE_EV_CLASS, oid_datum(view));
        row_set(row, PG_REWRITE_EV_TYPE, (Datum)'1');
        row_set(row, PG_REWRITE_EV_ENABLED, (Datum)'O');
        row_set(row, PG_REWRITE_IS_INSTEAD, bool_datum(true));
        row_set(row, PG_REWRITE_EV_QUAL, var_from_cstring(a, "<>"));
        row_insert(row);
        RowEdit *e = class_edit(a, view);
        row_set(e, PG_CLASS_RELHASRULES, bool_datum(true));
        row_save(e);
    }
    depend_add(self, (ObjAddr){CAT_PG_CLASS, view, 0}, 'i');
    depend_add_expr(self, q, 0, 'n');
    rel_invalidate(view);
    txn_command_increment();
}

static void
replace_view(CommandContext *c, Oid view, Query *q, const NewColumn *cols, int n, Datum options, bool no_options)
{
    RelDesc *old = rel_open(view, LOCK_ACCESS_EXCLUSIVE);
    Arena *a = c->arena;

    if (old->kind != 'v')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a view", old->name);
    acl_require_owner(CAT_PG_CLASS, view);
    check_replacement(c, old, cols, n);
    int first_new = old->natts;
    RowEdit *e = class_edit(a, view);
    row_set(e, PG_CLASS_RELNATTS, int16_datum((int16_t)n));
    row_set(e, PG_CLASS_RELOPTIONS, options);
    if (no_options)
        row_null(e, PG_CLASS_RELOPTIONS);
    row_save(e);
    for (int i = first_new; i < n; i++)
        rel_insert_attribute(view, i + 1, &cols[i], -1);
    txn_command_increment();
    store_rule(c, view, q);
}

void
cmd_create_view(CommandContext *c, const PgQuery__ViewStmt *s)
{
    RawStmt raw = {s->query, 0, 0};
    int n;
    bool no_options;
    char persistence = GIVEN(s->view->relpersistence) ? s->view->relpersistence[0] : 'p';

    if (persistence == 'u')
        RAISE(SQLSTATE_SYNTAX_ERROR, "views cannot be unlogged because they do not have storage");
    if (s->query->node_case == PN(SELECT_STMT) && s->query->select_stmt->into_clause)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "views must not contain SELECT INTO");
    ParamTypes none = {.arena = c->arena};
    Query *q = (Query *)sql_analyze(c->arena, &raw, c->text, &none);
    if (q->has_modifying_cte)
        UNSUPPORTED("views must not contain data-modifying statements in WITH");
    NewColumn *cols = view_columns(c, s, q, &n);
    if (persistence == 'p' && uses_temp_relation(q, NULL)) {
        persistence = 't';
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("view \"%s\" will be a temporary view", s->view->relname));
    }
    Datum options = reloptions_make(c->arena, 0, true, s->options, s->n_options, 'v', false, &no_options);
    if (s->with_check_option > PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION) {
        Datum *v;
        bool *nulls;
        int count = 0;
        if (!no_options)
            array_deconstruct(c->arena, options, &v, &nulls, &count);
        Datum *all = ARENA_ARRAY(c->arena, Datum, count + 1);
        for (int i = 0; i < count; i++)
            all[i] = v[i];
        all[count++] = var_from_cstring(c->arena, s->with_check_option == PG_QUERY__VIEW_CHECK_OPTION__LOCAL_CHECK_OPTION ? "check_option=local" : "check_option=cascaded");
        options = array_construct_1d(c->arena, TEXT_OID, all, NULL, count);
        no_options = false;
    }
    range_var_check_catalog(s->view);
    Oid nsp = nsp_for_creation(GIVEN(s->view->schemaname) ? s->view->schemaname : NULL, persistence == 't');
    if (nsp_is_temp(nsp))
        persistence = 't';
    check_new_relation_schema(nsp, s->view->relname);
    Oid old = rel_lookup(nsp_name(c->arena, nsp), s->view->relname);
    if (old && s->replace) {
        replace_view(c, old, q, cols, n, options, no_options);
        return;
    }
    if (old)
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", s->view->relname);
    Oid view = rel_create(s->view->relname, nsp, 'v', persistence, current_user_oid, cols, n, 0, no_options ? 0 : options, 0);
    txn_command_increment();
    rel_open(view, LOCK_ACCESS_EXCLUSIVE);
    store_rule(c, view, q);
}
