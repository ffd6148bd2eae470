/*
 * Constraints: names, checks, keys, foreign keys, and the scans that hold existing rows to new ones.
 */
#include "core/sql/command/command_internal.h"

#include "core/sql/analyze/analyze_internal.h"
#include "core/sql/command/scan_rows.h"

/* ---- names ---- */

/* Column names joined by underscores, as generated names have them: at most a name's length. */
char *
join_names(Arena *a, const List *names)
{
    StrBuf s;

    str_init(&s, a);
    for (int i = 0; i < list_count(names); i++) {
        str_printf(&s, "%s%s", i ? "_" : "", (char *)list_at(names, i));
        if (s.len >= NAME_BYTES)
            break;
    }
    return s.data;
}

Oid
constraint_find(Oid rel, const char *name, char *type)
{
    Datum keys[3] = {oid_datum(rel), oid_datum(0), cat_name_datum(txn_arena(), name)};
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONRELID_CONTYPID_CONNAME_INDEX, 3, keys);
    const CatRow *r = cat_scan_next(s);
    Oid oid = r ? datum_oid(cat_val(r, PG_CONSTRAINT_OID)) : 0;

    if (r && type)
        *type = (char)cat_val(r, PG_CONSTRAINT_CONTYPE);
    cat_scan_end(s);
    return oid;
}

void
constraint_name_free(RelDesc *rel, const char *name)
{
    if (constraint_find(rel->oid, name, NULL))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "constraint \"%s\" for relation \"%s\" already exists", name, rel->name);
}

/* ---- checks ---- */

Oid
add_check(Arena *a, RelDesc *rel, const char *name, Expr *e, bool valid, bool no_inherit, bool *merged)
{
    int only, n = 0;
    int16_t *cols = ARENA_ARRAY(a, int16_t, rel->natts + 1);
    uint64_t *seen = ARENA_ARRAY(a, uint64_t, rel->natts / 64 + 1);

    if (merged)
        *merged = false;
    expr_columns(e, &only, NULL);
    if (name)
        constraint_name_free(rel, name);
    else
        name = choose_constraint_name(a, rel->name, only ? rel->cols[only - 1].name : NULL, "check", rel->nsp, NULL);
    expr_column_bits(e, rel->natts, seen);
    for (int i = 1; i <= rel->natts; i++)
        if (seen[i >> 6] >> (i & 63) & 1)
            cols[n++] = (int16_t)i;
    Oid oid = constraint_create(name, rel->nsp, 'c', false, false, valid, rel->oid, cols, n, 0, 0, NULL, NULL, 0, 0, 0, NULL, 0, e, 0, no_inherit);
    rel_invalidate(rel->oid);
    txn_command_increment();
    return oid;
}

void
validate_check(Arena *a, RelDesc *rel, const char *name, const Expr *e)
{
    Arena *tmp = arena_create(a, "check of rows");
    ExprState *s = expr_prepare(tmp, e);
    RowScan *scan = row_scan_begin(tmp, rel);
    Arena *row = arena_create(tmp, "row");

    while (row_scan_next(scan)) {
        bool isnull = false;
        arena_reset(row);
        Datum d = expr_eval(s, row, scan->values, scan->nulls, &isnull);
        if (!isnull && !datum_bool(d))
            RAISE_ERR(SQLSTATE_CHECK_VIOLATION, err_message("check constraint \"%s\" of relation \"%s\" is violated by some row", name, rel->name),
                      err_object(rel->nsp_name, rel->name, NULL, NULL, name));
    }
    row_scan_end(scan);
    arena_destroy(tmp);
}

void
validate_not_null(Arena *a, RelDesc *rel, int attnum)
{
    Arena *tmp = arena_create(a, "check of rows");
    RowScan *scan = row_scan_begin(tmp, rel);

    while (row_scan_next(scan))
        if (scan->nulls[attnum - 1])
            RAISE_ERR(SQLSTATE_NOT_NULL_VIOLATION,
                      err_message("column \"%s\" of relation \"%s\" contains null values", rel->cols[attnum - 1].name, rel->name),
                      err_object(rel->nsp_name, rel->name, rel->cols[attnum - 1].name, NULL, NULL));
    row_scan_end(scan);
    arena_destroy(tmp);
}

void
set_not_null(Arena *a, Oid rel, int attnum, bool on)
{
    RowEdit *e = attribute_edit(a, rel, attnum);

    row_set(e, PG_ATTRIBUTE_ATTNOTNULL, bool_datum(on));
    row_save(e);
    rel_invalidate(rel);
    txn_command_increment();
}

/* ---- primary keys and unique constraints ---- */

static int
key_column(RelDesc *rel, const PgQuery__Constraint *con, const char *name)
{
    int att = rel_attnum(rel, name);

    if (att == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, con->location, "column \"%s\" named in key does not exist", name);
    if (att < 0)
        UNSUPPORTED("index creation on system columns is not supported");
    return att;
}

/* The constraint takes over an index that exists: ADD ... USING INDEX. */
static Oid
key_using_index(CommandContext *c, RelDesc *rel, const PgQuery__Constraint *con)
{
    bool primary = con->contype == CONSTR(PRIMARY);
    Oid ix_oid = rel_lookup(rel->nsp_name, con->indexname);
    RelDesc *r = ix_oid ? rel_open(ix_oid, LOCK_ACCESS_SHARE) : NULL;

    if (r == NULL || r->kind != 'i')
        RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, con->location, "index \"%s\" does not exist", con->indexname);
    IndexDesc *x = r->index;
    if (x->heap != rel->oid)
        RAISE_AT(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, con->location, "index \"%s\" does not belong to table \"%s\"", con->indexname, rel->name);
    if (!x->valid)
        RAISE_AT(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, con->location, "index \"%s\" is not valid", con->indexname);
    if (!x->unique)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("\"%s\" is not a unique index", con->indexname),
                  err_detail("Cannot create a primary key or unique constraint using such an index."), err_position(con->location));
    if (x->expr_trees)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("index \"%s\" contains expressions", con->indexname),
                  err_detail("Cannot create a primary key or unique constraint using such an index."), err_position(con->location));
    if (x->predicate_tree)
        RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("\"%s\" is a partial index", con->indexname),
                  err_detail("Cannot create a primary key or unique constraint using such an index."), err_position(con->location));
    const char *name = GIVEN(con->conname) ? con->conname : arena_strdup(c->arena, r->name);
    constraint_name_free(rel, name);
    for (int i = 0; primary && i < x->nkeys; i++)
        if (!rel->cols[x->attnums[i] - 1].not_null) {
            validate_not_null(c->arena, rel, x->attnums[i]);
            set_not_null(c->arena, rel->oid, x->attnums[i], true);
        }
    if (strcmp(name, r->name) != 0) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"%s\" to \"%s\"", r->name, name));
        relation_rename(ix_oid, name);
        txn_command_increment();
    }
    RowEdit *row = row_edit(c->arena, CAT_PG_INDEX, cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(ix_oid), 0, 0, 0));
    if (primary)
        row_set(row, PG_INDEX_INDISPRIMARY, bool_datum(true));
    if (con->deferrable)
        row_set(row, PG_INDEX_INDIMMEDIATE, bool_datum(false));
    row_save(row);
    Oid oid = constraint_create(name, rel->nsp, primary ? 'p' : 'u', con->deferrable, con->initdeferred, true, rel->oid, x->attnums, x->nkeys, ix_oid,
                                0, NULL, NULL, 0, 0, 0, NULL, 0, NULL, 0, true);
    rel_invalidate(rel->oid);
    rel_invalidate(ix_oid);
    txn_command_increment();
    return oid;
}

Oid
add_key(CommandContext *c, RelDesc *rel, const PgQuery__Constraint *con, const List *columns)
{
    Arena *a = c->arena;
    bool primary = con->contype == CONSTR(PRIMARY);
    int16_t atts[MAX_INDEX_KEYS];
    Oid classes[MAX_INDEX_KEYS], colls[MAX_INDEX_KEYS];
    int16_t options[MAX_INDEX_KEYS] = {0};
    int n = 0, total;

    if (primary && rel->primary_index)
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "multiple primary keys for table \"%s\" are not allowed", rel->name);
    if (GIVEN(con->indexname))
        return key_using_index(c, rel, con);
    if (list_count(columns) + (int)con->n_including > MAX_INDEX_KEYS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "cannot use more than %d columns in an index", MAX_INDEX_KEYS);
    for (int i = 0; i < list_count(columns); i++) {
        const char *name = list_at(columns, i);
        int att = key_column(rel, con, name);
        for (int k = 0; k < n; k++)
            if (atts[k] == att)
                RAISE_AT(SQLSTATE_DUPLICATE_COLUMN, con->location, primary ? "column \"%s\" appears twice in primary key constraint" : "column \"%s\" appears twice in unique constraint", name);
        classes[n] = default_opclass(rel->cols[att - 1].type);
        colls[n] = rel->cols[att - 1].collation;
        atts[n++] = (int16_t)att;
    }
    total = n;
    List *all = list_new(a);
    list_concat(all, columns);
    for (size_t i = 0; i < con->n_including; i++) {
        const char *name = pnode_string(con->including[i]);
        int att = key_column(rel, con, name);
        classes[total] = 0;
        colls[total] = 0;
        atts[total++] = (int16_t)att;
        list_push(all, (void *)name);
    }
    for (int i = 0; primary && i < n; i++)
        if (!rel->cols[atts[i] - 1].not_null) {
            validate_not_null(a, rel, atts[i]);
            set_not_null(a, rel->oid, atts[i], true);
        }
    const char *name = GIVEN(con->conname) ? con->conname : choose_relation_name(a, rel->name, primary ? NULL : join_names(a, all), primary ? "pkey" : "key", rel->nsp);
    if (rel_lookup(rel->nsp_name, name))
        RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    constraint_name_free(rel, name);
    Oid index = index_create(rel->oid, name, n, total, atts, classes, colls, options, NULL, NULL, true, primary, !con->deferrable, con->nulls_not_distinct, true);
    txn_command_increment();
    if (con->n_options) {
        bool isnull;
        RowEdit *row = class_edit(a, index);
        Datum d = reloptions_make(a, 0, true, con->options, con->n_options, 'i', false, &isnull);
        if (!isnull) {
            row_set(row, PG_CLASS_RELOPTIONS, d);
            row_save(row);
        }
    }
    Oid oid = constraint_create(name, rel->nsp, primary ? 'p' : 'u', con->deferrable, con->initdeferred, true, rel->oid, atts, n, index,
                                0, NULL, NULL, 0, 0, 0, NULL, 0, NULL, 0, true);
    rel_invalidate(rel->oid);
    txn_command_increment();
    return oid;
}

/* ---- foreign keys ---- */

static int
fk_columns(RelDesc *rel, const List *names, int16_t *out)
{
    int n = 0;

    if (list_count(names) > MAX_INDEX_KEYS)
        RAISE(SQLSTATE_TOO_MANY_COLUMNS, "cannot have more than %d keys in a foreign key", MAX_INDEX_KEYS);
    for (int i = 0; i < list_count(names); i++) {
        int att = rel_attnum(rel, list_at(names, i));
        if (att == 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" referenced in foreign key constraint does not exist", (char *)list_at(names, i));
        if (att < 0)
            UNSUPPORTED("system columns cannot be used in foreign keys");
        out[n++] = (int16_t)att;
    }
    return n;
}

/* The unique index of the referenced table over exactly these columns. */
static Oid
fk_index(RelDesc *ref, const int16_t *cols, int n)
{
    bool deferrable = false;

    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++)
            if (cols[i] == cols[k])
                RAISE(SQLSTATE_INVALID_FOREIGN_KEY, "foreign key referenced-columns list must not contain duplicates");
    for (int i = 0; i < ref->nindexes; i++) {
        IndexDesc *x = index_open(ref->indexes[i], LOCK_ACCESS_SHARE);
        if (!x->unique || !x->valid || x->nkeys != n || x->predicate_tree || x->expr_trees)
            continue;
        int found = 0;
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++)
                if (cols[k] == x->attnums[j]) {
                    found++;
                    break;
                }
        if (found != n)
            continue;
        if (x->immediate)
            return ref->indexes[i];
        deferrable = true;
    }
    if (deferrable)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "cannot use a deferrable unique constraint for referenced table \"%s\"", ref->name);
    RAISE(SQLSTATE_INVALID_FOREIGN_KEY, "there is no unique constraint matching given keys for referenced table \"%s\"", ref->name);
}

/* The operator pk = fk; 0: the types do not go together. */
static Oid
fk_operator(Oid pk, Oid fk)
{
    Oid pkb = type_base(pk, NULL), fkb = type_base(fk, NULL);
    Oid op = op_for_strategy(pkb, fkb, 3);

    if (op)
        return op;
    op = type_sort_ops(pkb).eq;
    if (op == 0)
        return 0;
    Oid want = op_info(op)->right;
    if (pkb == fkb || is_binary_coercible(fkb, want) || can_coerce(&fkb, &pkb, 1, COERCE_IMPLICIT))
        return op;
    return 0;
}

static void
fk_check_persistence(RelDesc *rel, RelDesc *ref)
{
    if (rel->persistence == 'p' && ref->persistence != 'p')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "constraints on permanent tables may reference only permanent tables");
    if (rel->persistence == 'u' && ref->persistence == 't')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "constraints on unlogged tables may reference only permanent or unlogged tables");
    if (rel->persistence == 't' && ref->persistence != 't')
        RAISE(SQLSTATE_INVALID_TABLE_DEFINITION, "constraints on temporary tables may reference only temporary tables");
}

static void
mark_has_triggers(Arena *a, Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (r && !datum_bool(cat_val(r, PG_CLASS_RELHASTRIGGERS))) {
        RowEdit *e = row_edit(a, CAT_PG_CLASS, r);
        row_set(e, PG_CLASS_RELHASTRIGGERS, bool_datum(true));
        row_save(e);
    }
    rel_invalidate(rel);
    txn_command_increment();
}

static char
action_of(const char *s)
{
    return GIVEN(s) ? s[0] : 'a';
}

static void
fk_check_generated(RelDesc *rel, const int16_t *cols, int n, char upd, char del)
{
    for (int i = 0; i < n; i++) {
        if (!rel->cols[cols[i] - 1].generated)
            continue;
        if (upd == 'n' || upd == 'd' || upd == 'c')
            RAISE(SQLSTATE_SYNTAX_ERROR, "invalid %s action for foreign key constraint containing generated column", "ON UPDATE");
        if (del == 'n' || del == 'd')
            RAISE(SQLSTATE_SYNTAX_ERROR, "invalid %s action for foreign key constraint containing generated column", "ON DELETE");
    }
}

Oid
add_foreign_key(CommandContext *c, RelDesc *rel, const PgQuery__Constraint *con, const List *columns)
{
    Arena *a = c->arena;
    int16_t cols[MAX_INDEX_KEYS], ref_cols[MAX_INDEX_KEYS], set_cols[MAX_INDEX_KEYS];
    Oid ops[MAX_INDEX_KEYS], index;
    RelDesc *ref = range_var_open(con->pktable, LOCK_SHARE_ROW_EXCLUSIVE, false);
    char upd = action_of(con->fk_upd_action), del = action_of(con->fk_del_action);
    int nref, nset = 0;

    if (ref->kind != 'r')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "referenced relation \"%s\" is not a table", ref->name);
    require_ordinary(ref);
    fk_check_persistence(rel, ref);
    const char *name = GIVEN(con->conname) ? con->conname : choose_constraint_name(a, rel->name, join_names(a, columns), "fkey", rel->nsp, NULL);
    constraint_name_free(rel, name);
    int n = fk_columns(rel, columns, cols);
    for (size_t i = 0; i < con->n_fk_del_set_cols; i++) {
        const char *set = pnode_string(con->fk_del_set_cols[i]);
        int att = rel_attnum(rel, set);
        bool in_key = false;
        for (int k = 0; k < n; k++)
            in_key |= cols[k] == att;
        if (att == 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" referenced in foreign key constraint does not exist", set);
        if (!in_key)
            RAISE(SQLSTATE_INVALID_COLUMN_REFERENCE, "column \"%s\" referenced in ON DELETE SET action must be part of foreign key", set);
        set_cols[nset++] = (int16_t)att;
    }
    if (con->n_pk_attrs == 0) {
        if (ref->primary_index == 0)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "there is no primary key for referenced table \"%s\"", ref->name);
        index = ref->primary_index;
        IndexDesc *x = index_open(index, LOCK_ACCESS_SHARE);
        if (!x->immediate)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "cannot use a deferrable primary key for referenced table \"%s\"", ref->name);
        nref = x->nkeys;
        memcpy(ref_cols, x->attnums, sizeof(int16_t) * (size_t)nref);
    } else {
        List *names = list_new(a);
        for (size_t i = 0; i < con->n_pk_attrs; i++)
            list_push(names, (void *)pnode_string(con->pk_attrs[i]));
        nref = fk_columns(ref, names, ref_cols);
        index = fk_index(ref, ref_cols, nref);
    }
    if (!acl_check(CAT_PG_CLASS, ref->oid, current_user_oid, ACL_REFERENCES))
        for (int i = 0; i < nref; i++)
            if (!acl_check_column(ref->oid, ref_cols[i], current_user_oid, ACL_REFERENCES))
                acl_raise(CAT_PG_CLASS, ref->oid);
    if (n != nref)
        RAISE(SQLSTATE_INVALID_FOREIGN_KEY, "number of referencing and referenced columns for foreign key disagree");
    fk_check_generated(rel, cols, n, upd, del);
    for (int i = 0; i < n; i++) {
        Oid pk = ref->cols[ref_cols[i] - 1].type, fk = rel->cols[cols[i] - 1].type;
        ops[i] = fk_operator(pk, fk);
        if (ops[i] == 0)
            RAISE_ERR(SQLSTATE_DATATYPE_MISMATCH, err_message("foreign key constraint \"%s\" cannot be implemented", name),
                      err_detail("Key columns \"%s\" and \"%s\" are of incompatible types: %s and %s.", rel->cols[cols[i] - 1].name, ref->cols[ref_cols[i] - 1].name,
                                 type_format(a, fk, -1, false), type_format(a, pk, -1, false)));
    }
    Oid oid = constraint_create(name, rel->nsp, 'f', con->deferrable, con->initdeferred, !con->skip_validation, rel->oid, cols, n, index, ref->oid, ref_cols, ops,
                                upd, del, GIVEN(con->fk_matchtype) ? con->fk_matchtype[0] : 's', set_cols, nset, NULL, 0, true);
    Oid rel_oid = rel->oid, ref_oid = ref->oid;
    txn_command_increment();
    mark_has_triggers(a, rel_oid);
    if (ref_oid != rel_oid)
        mark_has_triggers(a, ref_oid);
    return oid;
}
