/*
 * ALTER TABLE: columns. Adding one with a constant default writes no row: the value goes to
 * pg_attribute.attmissingval and rows older than the column read it from there.
 */
#include "core/sql/command/alter_internal.h"

static bool
is_null_const(const Expr *e)
{
    return IS(e, Const) && ((const Const *)e)->isnull;
}

static bool
no_node(const PNode *n)
{
    return n == NULL || n->node_case == PG_QUERY__NODE__NODE__NOT_SET;
}

bool
domain_has_constraints(Oid type)
{
    for (const TypeInfo *t = type_info(type); t->typtype == 'd'; t = type_info(t->base)) {
        Datum key = oid_datum(t->oid);
        CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONTYPID_INDEX, 1, &key);
        bool any = cat_scan_next(s) != NULL;
        cat_scan_end(s);
        if (any || t->not_null)
            return true;
    }
    return false;
}

/* ---- ADD COLUMN ---- */

static int
next_late_rank(AlterTable *t, const RelDesc *r)
{
    int rank = 0;

    for (int i = 1; i <= r->natts; i++) {
        const CatRow *row = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(t->oid), int16_datum((int16_t)i), 0, 0);
        rank = MAX(rank, datum_int32(cat_val(row, PG_ATTRIBUTE_ATTCACHEOFF)) + 1);
    }
    return rank;
}

static void
set_missing(AlterTable *t, int att, const ColDesc *col, Datum value)
{
    RowEdit *e = attribute_edit(t->arena, t->oid, att);

    row_set(e, PG_ATTRIBUTE_ATTHASMISSING, bool_datum(true));
    row_set(e, PG_ATTRIBUTE_ATTMISSINGVAL, array_construct_1d(t->arena, col->type, &value, NULL, 1));
    row_save(e);
    rel_invalidate(t->oid);
    txn_command_increment();
}

static char
storage_of(const char *name, Oid type)
{
    static const struct { const char *name; char c; } kinds[] = {{"plain", 'p'}, {"external", 'e'}, {"extended", 'x'}, {"main", 'm'}};

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (str_casecmp_ascii(kinds[i].name, name) == 0) {
            if (kinds[i].c != 'p' && type_info(type)->storage == 'p')
                UNSUPPORTED("column data type %s can only have storage PLAIN", type_format(txn_arena(), type, -1, false));
            return kinds[i].c;
        }
    RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid storage type \"%s\"", name);
}

static char
compression_of(const char *name, Oid type)
{
    if (type_info(type)->storage == 'p')
        UNSUPPORTED("column data type %s does not support compression", type_format(txn_arena(), type, -1, false));
    if (strcmp(name, "default") == 0)
        return 0;
    if (strcmp(name, "pglz") != 0 && strcmp(name, "lz4") != 0)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "invalid compression method \"%s\"", name);
    return name[0];
}

/* The value rows that exist get: what is stored as default, the identity's sequence, or a domain's check of null. */
static Expr *
default_of_new(AlterTable *t, ColumnSpec *s, const ColDesc *col, bool *store)
{
    Arena *a = t->arena;
    Expr *e = s->cooked_default;

    *store = !s->col.identity;
    if (s->col.identity)
        e = make_nextval(a, s->sequence);
    else if (s->raw_default)
        return cook_default(a, s->raw_default, alter_rel(t), col, NULL, s->col.generated != 0);
    if (e)
        return sql_coerce_assignment(a, e, col->type, col->typmod, col->collation, col->name);
    *store = false;
    for (const TypeInfo *ti = type_info(col->type); ti->typtype == 'd'; ti = type_info(ti->base)) { /* the domain's own default */
        char *text = cat_name(a, cat_get_by_oid(CAT_PG_TYPE, ti->oid), PG_TYPE_TYPDEFAULTBIN);
        if (text)
            return sql_coerce_assignment(a, node_read(a, text), col->type, col->typmod, col->collation, col->name);
    }
    if (!domain_has_constraints(col->type))
        return NULL;
    Const *null = node_new(a, Const);
    null->expr.type = type_base(col->type, NULL);
    null->isnull = true;
    null->len = type_info(null->expr.type)->typlen;
    null->byval = type_info(null->expr.type)->byval;
    return sql_coerce_assignment(a, &null->expr, col->type, col->typmod, col->collation, col->name);
}

static void
fill_existing(AlterTable *t, int att, const ColDesc *col, Expr *e, bool generated)
{
    bool isnull;

    if (t->rewrite || generated || expr_contains_volatile(e) || domain_has_constraints(col->type)) {
        alter_add_value(t, att, e, generated);
        return;
    }
    Datum d = expr_eval_const(t->arena, e, &isnull, NULL);
    if (!isnull)
        set_missing(t, att, col, d);
}

void
alter_add_column(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    const PgQuery__ColumnDef *d = cmd->def->column_def;
    RelDesc *r = alter_rel(t);
    Arena *a = t->arena;

    if (rel_attnum(r, d->colname) > 0) {
        if (!cmd->missing_ok)
            RAISE(SQLSTATE_DUPLICATE_COLUMN, "column \"%s\" of relation \"%s\" already exists", d->colname, r->name);
        REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_COLUMN, err_message("column \"%s\" of relation \"%s\" already exists, skipping", d->colname, r->name));
        return;
    }
    if (r->natts + 1 > MAX_COLUMNS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "tables can have at most %d columns", MAX_COLUMNS);
    ColumnSpec *s = table_spec_column(&t->spec, d, r->owner);
    bool not_null = s->col.not_null;
    rel_check_column_type(s->col.name, s->col.type, r->kind);
    if (t->rewrite || list_count(t->new_values))
        alter_remember_old(t);
    RelDesc *before = r;
    int att = r->natts + 1;
    s->col.not_null = false;
    rel_insert_attribute(t->oid, att, &s->col, next_late_rank(t, r));
    s->col.not_null = not_null;
    RowEdit *row = class_edit(a, t->oid);
    row_set(row, PG_CLASS_RELNATTS, int16_datum((int16_t)att));
    row_save(row);
    if (s->storage || s->compression) {
        RowEdit *e = attribute_edit(a, t->oid, att);
        if (s->storage)
            row_set(e, PG_ATTRIBUTE_ATTSTORAGE, (Datum)storage_of(s->storage, s->col.type));
        if (s->compression)
            row_set(e, PG_ATTRIBUTE_ATTCOMPRESSION, (Datum)compression_of(s->compression, s->col.type));
        row_save(e);
    }
    rel_invalidate(t->oid);
    txn_command_increment();
    if (r->kind == 'c')
        return; /* values made before are read with a null there */
    rel_ensure_toast(t->oid);
    rel_invalidate(t->oid);
    txn_command_increment();
    if (s->sequence)
        sequence_own(s->sequence, t->oid, att, s->col.identity ? 'i' : 'a');
    r = alter_rel(t);
    bool store, generated = s->col.generated != 0;
    Expr *e = default_of_new(t, s, &r->cols[att - 1], &store);
    if (e && !is_null_const(e)) { /* a null made for a domain is wrapped in its check */
        if (store)
            store_default(a, r, att, e, generated);
        fill_existing(t, att, &r->cols[att - 1], e, generated);
        if (t->rewrite && t->old == NULL)
            t->old = before;
    }
    if (not_null)
        list_push(t->not_null, (void *)(intptr_t)att);
}

/* ---- DROP COLUMN ---- */

void
alter_drop_column(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    RelDesc *r = alter_rel(t);
    int att = rel_attnum(r, cmd->name);

    if (att == 0) {
        if (!cmd->missing_ok)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", cmd->name, r->name);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("column \"%s\" of relation \"%s\" does not exist, skipping", cmd->name, r->name));
        return;
    }
    if (att < 0)
        UNSUPPORTED("cannot drop system column \"%s\"", cmd->name);
    ObjAddr a = {CAT_PG_CLASS, t->oid, att};
    objects_drop(&a, 1, IS_CASCADE(cmd->behavior), false);
    rel_invalidate(t->oid);
    txn_command_increment();
}

/* ---- NOT NULL ---- */

void
alter_set_not_null(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);

    if (r->cols[att - 1].not_null)
        return;
    validate_not_null(t->arena, r, att);
    set_not_null(t->arena, t->oid, att, true);
}

void
alter_drop_not_null(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);

    if (r->cols[att - 1].identity)
        RAISE(SQLSTATE_SYNTAX_ERROR, "column \"%s\" of relation \"%s\" is an identity column", cmd->name, r->name);
    for (int i = 0; i < r->nindexes; i++) {
        RelDesc *ix = rel_open(r->indexes[i], LOCK_ACCESS_SHARE);
        const CatRow *row = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(ix->oid), 0, 0, 0);
        bool replica = datum_bool(cat_val(row, PG_INDEX_INDISREPLIDENT));
        for (int k = 0; k < ix->index->nkeys; k++) {
            if (ix->index->attnums[k] != att)
                continue;
            if (ix->index->primary)
                RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "column \"%s\" is in a primary key", cmd->name);
            if (replica)
                RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "column \"%s\" is in index used as replica identity", cmd->name);
        }
    }
    if (r->cols[att - 1].not_null)
        set_not_null(t->arena, t->oid, att, false);
}

/* ---- defaults ---- */

void
alter_column_default(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);
    const ColDesc *col = &r->cols[att - 1];
    bool drop = no_node(cmd->def);

    if (col->identity) {
        if (drop)
            RAISE_ERR(SQLSTATE_SYNTAX_ERROR, err_message("column \"%s\" of relation \"%s\" is an identity column", cmd->name, r->name),
                      err_hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."));
        RAISE(SQLSTATE_SYNTAX_ERROR, "column \"%s\" of relation \"%s\" is an identity column", cmd->name, r->name);
    }
    if (col->generated) {
        if (drop)
            RAISE_ERR(SQLSTATE_SYNTAX_ERROR, err_message("column \"%s\" of relation \"%s\" is a generated column", cmd->name, r->name),
                      err_hint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead."));
        RAISE(SQLSTATE_SYNTAX_ERROR, "column \"%s\" of relation \"%s\" is a generated column", cmd->name, r->name);
    }
    Expr *e = drop ? NULL : cook_default(t->arena, cmd->def, r, col, NULL, false);
    remove_default(t->arena, t->oid, att, false, !drop);
    if (e && !(is_null_const(e) && type_info(col->type)->typtype != 'd')) {
        txn_command_increment();
        store_default(t->arena, alter_rel(t), att, e, false);
    }
    rel_invalidate(t->oid);
}

void
alter_drop_expression(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);

    if (!r->cols[att - 1].generated) {
        if (!cmd->missing_ok)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" is not a stored generated column", cmd->name, r->name);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("column \"%s\" of relation \"%s\" is not a stored generated column, skipping", cmd->name, r->name));
        return;
    }
    RowEdit *e = attribute_edit(t->arena, t->oid, att);
    row_set(e, PG_ATTRIBUTE_ATTGENERATED, 0);
    row_save(e);
    remove_default(t->arena, t->oid, att, false, true);
    rel_invalidate(t->oid);
}

/* ---- statistics, options, storage ---- */

void
alter_set_statistics(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    RelDesc *r = alter_rel(t);
    int target = cmd->def->integer->ival, att;

    if (r->kind == 'i' && GIVEN(cmd->name))
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot refer to non-index column by number"));
    if (target < -1)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "statistics target %d is too low", target);
    if (target > 10000) {
        target = 10000;
        REPORT(LEVEL_WARNING, SQLSTATE_INVALID_PARAMETER_VALUE, err_message("lowering statistics target to %d", target));
    }
    if (GIVEN(cmd->name))
        att = alter_attnum(t, cmd->name);
    else {
        if (r->kind != 'i')
            UNSUPPORTED("cannot refer to non-index column by number");
        att = cmd->num;
        if (att <= 0 || att > r->natts)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column number %d of relation \"%s\" does not exist", att, r->name);
        if (r->index->attnums[att - 1] != 0)
            RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot alter statistics on non-expression column \"%s\" of index \"%s\"", r->cols[att - 1].name, r->name),
                      err_hint("Alter statistics on table column instead."));
    }
    RowEdit *e = attribute_edit(t->arena, t->oid, att);
    row_set(e, PG_ATTRIBUTE_ATTSTATTARGET, int32_datum(target));
    row_save(e);
}

void
alter_column_options(AlterTable *t, const PgQuery__AlterTableCmd *cmd, bool reset)
{
    int att = alter_attnum(t, cmd->name), nold = 0, n = 0;
    RowEdit *e = attribute_edit(t->arena, t->oid, att);
    PNode **items = cmd->def->list->items;
    size_t count = cmd->def->list->n_items;
    Datum *old = NULL, *out;
    bool *nulls = NULL;

    if (!e->nulls[PG_ATTRIBUTE_ATTOPTIONS - 1])
        array_deconstruct(t->arena, e->values[PG_ATTRIBUTE_ATTOPTIONS - 1], &old, &nulls, &nold);
    out = ARENA_ARRAY(t->arena, Datum, (size_t)nold + count + 1);
    for (int i = 0; i < nold; i++) {
        const char *text = var_to_cstring(t->arena, old[i]);
        bool named = false;
        for (size_t k = 0; k < count; k++) {
            size_t len = strlen(items[k]->def_elem->defname);
            named |= strncmp(text, items[k]->def_elem->defname, len) == 0 && text[len] == '=';
        }
        if (!named)
            out[n++] = old[i];
    }
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *d = items[i]->def_elem;
        if (strcmp(d->defname, "n_distinct") != 0 && strcmp(d->defname, "n_distinct_inherited") != 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized parameter \"%s\"", d->defname);
        if (reset)
            continue;
        double v = def_double(d);
        if (v < -1)
            RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE, err_message("value %s out of bounds for option \"%s\"", def_string(t->arena, d), d->defname),
                      err_detail("Valid values are between \"-1.000000\" and \"179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245490090389328944075868508455133942304583236903222948165808559332123347747911736.000000\"."));
        out[n++] = var_from_cstring(t->arena, arena_printf(t->arena, "%s=%s", d->defname, def_string(t->arena, d)));
    }
    if (n)
        row_set(e, PG_ATTRIBUTE_ATTOPTIONS, array_construct_1d(t->arena, TEXT_OID, out, NULL, n));
    else
        row_null(e, PG_ATTRIBUTE_ATTOPTIONS);
    row_save(e);
}

void
alter_set_storage(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RowEdit *e = attribute_edit(t->arena, t->oid, att);

    row_set(e, PG_ATTRIBUTE_ATTSTORAGE, (Datum)storage_of(pnode_string(cmd->def), alter_rel(t)->cols[att - 1].type));
    row_save(e);
    rel_invalidate(t->oid);
}

void
alter_set_compression(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RowEdit *e = attribute_edit(t->arena, t->oid, att);

    row_set(e, PG_ATTRIBUTE_ATTCOMPRESSION, (Datum)compression_of(pnode_string(cmd->def), alter_rel(t)->cols[att - 1].type));
    row_save(e);
    rel_invalidate(t->oid);
}

/* ---- identity ---- */

static void
store_identity(AlterTable *t, int att, char identity)
{
    RowEdit *e = attribute_edit(t->arena, t->oid, att);

    row_set(e, PG_ATTRIBUTE_ATTIDENTITY, (Datum)(unsigned char)identity);
    row_save(e);
    rel_invalidate(t->oid);
    txn_command_increment();
}

void
alter_add_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);
    const ColDesc *col = &r->cols[att - 1];
    const PgQuery__Constraint *con = cmd->def->constraint;
    Oid type = type_base(col->type, NULL);

    if (!col->not_null)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" must be declared NOT NULL before identity can be added", cmd->name, r->name);
    if (col->identity)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" is already an identity column", cmd->name, r->name);
    if (col->has_default)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" already has a default value", cmd->name, r->name);
    if (type != INT2_OID && type != INT4_OID && type != INT8_OID)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    char *name = choose_relation_name(t->arena, r->name, col->name, "seq", r->nsp);
    Oid seq = sequence_make(t->c, name, r->nsp, r->persistence, con->options, con->n_options, col->type, r->owner, true);
    sequence_own(seq, t->oid, att, 'i');
    store_identity(t, att, con->generated_when[0]);
}

void
alter_set_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);
    PNode **items = cmd->def->list->items;
    size_t n = cmd->def->list->n_items, nopts = 0;
    PNode **opts = ARENA_ARRAY(t->arena, PNode *, n + 1);
    char generated = 0;

    if (!r->cols[att - 1].identity)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" is not an identity column", cmd->name, r->name);
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = items[i]->def_elem;
        if (strcmp(d->defname, "generated") != 0) {
            opts[nopts++] = items[i];
            continue;
        }
        if (generated)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        generated = d->arg->node_case == PN(INTEGER) ? (char)d->arg->integer->ival : pnode_string(d->arg)[0];
    }
    if (nopts) {
        Oid seq = sequence_of_column(t->oid, att, 'i');
        sequence_alter(t->c, rel_open(seq, LOCK_SHARE_ROW_EXCLUSIVE), opts, nopts, true);
        txn_command_increment();
    }
    if (generated)
        store_identity(t, att, generated);
}

void
alter_drop_identity(AlterTable *t, const PgQuery__AlterTableCmd *cmd)
{
    int att = alter_attnum(t, cmd->name);
    RelDesc *r = alter_rel(t);

    if (!r->cols[att - 1].identity) {
        if (!cmd->missing_ok)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "column \"%s\" of relation \"%s\" is not an identity column", cmd->name, r->name);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("column \"%s\" of relation \"%s\" is not an identity column, skipping", cmd->name, r->name));
        return;
    }
    store_identity(t, att, 0);
    Oid seq = sequence_of_column(t->oid, att, 'i');
    if (seq) {
        ObjAddr a = {CAT_PG_CLASS, seq, 0};
        depend_delete_for(a, 'i');
        txn_command_increment();
        objects_drop(&a, 1, false, true);
    }
}
