/*
 * Types made by users: domains. Composite types are composite_type.c's.
 *
 * A domain's row in pg_type is its base type's with its own name, default and nullability; its checks
 * are rows of pg_constraint over DomainValue (written VALUE), which is analysed as the only column of a
 * relation made up for that.
 */
#include "core/sql/command/alter_internal.h"

#include "core/sql/analyze/analyze_internal.h"
#include "core/sql/command/scan_rows.h"

#define FN_DOMAIN_IN 2597u
#define FN_DOMAIN_RECV 2598u

void
cmd_create_enum(CommandContext *c, const PgQuery__CreateEnumStmt *s)
{
    UNSUPPORTED("enum types are not supported");
}

void
cmd_alter_enum(CommandContext *c, const PgQuery__AlterEnumStmt *s)
{
    UNSUPPORTED("enum types are not supported");
}

/* ---- checks ---- */

static void *
to_domain_value(void *n, void *arg)
{
    Arena *a = arg;

    if (IS(n, Var)) {
        const Var *v = n;
        DomainValue *d = node_new(a, DomainValue);
        d->expr = v->expr;
        d->expr.tag = TAG_DomainValue;
        return d;
    }
    return node_mutate_children(a, n, to_domain_value, arg, false);
}

typedef struct ToVar { Arena *arena; int attno; } ToVar;

static void *
to_column(void *n, void *arg)
{
    ToVar *x = arg;

    if (IS(n, DomainValue)) {
        Var *v = node_new(x->arena, Var);
        v->expr = ((DomainValue *)n)->expr;
        v->expr.tag = TAG_Var;
        v->rel = v->orig_rel = 1;
        v->attno = v->orig_attno = x->attno;
        return v;
    }
    return node_mutate_children(x->arena, n, to_column, arg, false);
}

static Expr *
cook_domain_check(CommandContext *c, const PNode *raw, const NewColumn *base)
{
    ColDesc *col = ARENA_NEW(c->arena, ColDesc);
    RelDesc *rel = ARENA_NEW(c->arena, RelDesc);

    *col = (ColDesc){.name = (char *)"value", .type = base->type, .typmod = base->typmod, .collation = base->collation};
    rel->name = (char *)"";
    rel->nsp_name = (char *)"";
    rel->kind = 'v';
    rel->natts = 1;
    rel->cols = col;
    return to_domain_value(cook_check(c->arena, raw, rel, NULL), c->arena);
}

static bool
domain_constraint_exists(Arena *a, Oid domain, const char *name, Oid *oid)
{
    Datum key = oid_datum(domain);
    CatScan *s = cat_scan_begin(CAT_PG_CONSTRAINT, IDX_PG_CONSTRAINT_CONTYPID_INDEX, 1, &key);
    const CatRow *r;
    bool found = false;

    while (!found && (r = cat_scan_next(s)) != NULL)
        if (strcmp(cat_name(a, r, PG_CONSTRAINT_CONNAME), name) == 0) {
            found = true;
            if (oid)
                *oid = datum_oid(cat_val(r, PG_CONSTRAINT_OID));
        }
    cat_scan_end(s);
    return found;
}

static Expr *
add_domain_check(CommandContext *c, Oid domain, const char *domain_name, Oid nsp, const NewColumn *base, const PgQuery__Constraint *con)
{
    Expr *e = cook_domain_check(c, con->raw_expr, base);
    const char *name = con->conname;

    if (!GIVEN(name))
        name = choose_constraint_name(c->arena, domain_name, NULL, "check", nsp, NULL);
    else if (domain_constraint_exists(c->arena, domain, name, NULL))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "constraint \"%s\" for domain \"%s\" already exists", name, domain_name);
    constraint_create(name, nsp, 'c', false, false, !con->skip_validation, 0, NULL, 0, 0, 0, NULL, NULL, 0, 0, 0, NULL, 0, e, domain, false);
    txn_command_increment();
    return e;
}

/* ---- CREATE DOMAIN ---- */

static Oid
insert_domain(CommandContext *c, const char *name, Oid nsp, const NewColumn *base, Expr *def, bool not_null)
{
    Arena *a = c->arena;
    RowEdit *row = row_edit(a, CAT_PG_TYPE, cat_get_by_oid(CAT_PG_TYPE, base->type));
    Oid array = cat_new_oid(CAT_PG_TYPE), oid = cat_new_oid(CAT_PG_TYPE);

    row_set(row, PG_TYPE_OID, oid_datum(oid));
    row_set_name(a, row, PG_TYPE_TYPNAME, name);
    row_set(row, PG_TYPE_TYPNAMESPACE, oid_datum(nsp));
    row_set(row, PG_TYPE_TYPOWNER, oid_datum(current_user_oid));
    row_set(row, PG_TYPE_TYPTYPE, (Datum)'d');
    row_set(row, PG_TYPE_TYPISPREFERRED, bool_datum(false));
    row_set(row, PG_TYPE_TYPRELID, oid_datum(0));
    row_set(row, PG_TYPE_TYPSUBSCRIPT, oid_datum(0));
    row_set(row, PG_TYPE_TYPELEM, oid_datum(0));
    row_set(row, PG_TYPE_TYPARRAY, oid_datum(array));
    row_set(row, PG_TYPE_TYPINPUT, oid_datum(FN_DOMAIN_IN));
    row_set(row, PG_TYPE_TYPRECEIVE, oid_datum(FN_DOMAIN_RECV));
    row_set(row, PG_TYPE_TYPMODIN, oid_datum(0));
    row_set(row, PG_TYPE_TYPMODOUT, oid_datum(0));
    row_set(row, PG_TYPE_TYPNOTNULL, bool_datum(not_null));
    row_set(row, PG_TYPE_TYPBASETYPE, oid_datum(base->type));
    row_set(row, PG_TYPE_TYPTYPMOD, int32_datum(base->typmod));
    row_set(row, PG_TYPE_TYPNDIMS, int32_datum(base->ndims));
    row_set(row, PG_TYPE_TYPCOLLATION, oid_datum(base->collation));
    row_null(row, PG_TYPE_TYPDEFAULTBIN);
    row_null(row, PG_TYPE_TYPDEFAULT);
    row_null(row, PG_TYPE_TYPACL);
    if (def) {
        row_set(row, PG_TYPE_TYPDEFAULTBIN, var_from_cstring(a, node_write(a, def)));
        row_set(row, PG_TYPE_TYPDEFAULT, var_from_cstring(a, sql_deparse_expr(a, def, NULL, false)));
    }
    row_insert(row);
    ObjAddr self = {CAT_PG_TYPE, oid, 0};
    depend_add(self, (ObjAddr){CAT_PG_NAMESPACE, nsp, 0}, 'n');
    depend_add_owner(CAT_PG_TYPE, oid, current_user_oid);
    depend_add(self, (ObjAddr){CAT_PG_TYPE, base->type, 0}, 'n');
    if (base->collation && base->collation != COLLATION_DEFAULT)
        depend_add(self, (ObjAddr){CAT_PG_COLLATION, base->collation, 0}, 'n');
    if (def)
        depend_add_expr(self, def, 0, 'n');
    /* The array over it: the row of text[] is the pattern of all such. */
    char *array_name = make_object_name(a, "", name, NULL);
    while (cat_get(IDX_PG_TYPE_TYPNAME_NSP_INDEX, ptr_datum(array_name), oid_datum(nsp), 0, 0))
        array_name = arena_printf(a, "_%.*s", NAME_BYTES - 2, array_name);
    RowEdit *arr = row_edit(a, CAT_PG_TYPE, cat_get_by_oid(CAT_PG_TYPE, type_array_of(TEXT_OID)));
    row_set(arr, PG_TYPE_OID, oid_datum(array));
    row_set_name(a, arr, PG_TYPE_TYPNAME, array_name);
    row_set(arr, PG_TYPE_TYPNAMESPACE, oid_datum(nsp));
    row_set(arr, PG_TYPE_TYPOWNER, oid_datum(current_user_oid));
    row_set(arr, PG_TYPE_TYPELEM, oid_datum(oid));
    row_set(arr, PG_TYPE_TYPALIGN, (Datum)(type_info(base->type)->align == 'd' ? 'd' : 'i'));
    row_set(arr, PG_TYPE_TYPCOLLATION, oid_datum(base->collation));
    row_null(arr, PG_TYPE_TYPACL);
    row_insert(arr);
    depend_add((ObjAddr){CAT_PG_TYPE, array, 0}, self, 'i');
    txn_command_increment();
    return oid;
}

typedef struct DomainSpec { const PNode *def; bool default_given, not_null, null_given; } DomainSpec;

static void
read_domain_constraint(const PgQuery__Constraint *con, DomainSpec *d)
{
    switch (con->contype) {
    case CONSTR(DEFAULT):
        if (d->default_given)
            RAISE(SQLSTATE_SYNTAX_ERROR, "multiple default expressions");
        d->default_given = true;
        d->def = con->raw_expr;
        break;
    case CONSTR(NOTNULL):
        if (d->null_given)
            RAISE(SQLSTATE_SYNTAX_ERROR, "conflicting NULL/NOT NULL constraints");
        d->not_null = true;
        break;
    case CONSTR(NULL):
        if (d->not_null)
            RAISE(SQLSTATE_SYNTAX_ERROR, "conflicting NULL/NOT NULL constraints");
        d->null_given = true;
        break;
    case CONSTR(CHECK):
        if (con->is_no_inherit)
            RAISE(SQLSTATE_INVALID_OBJECT_DEFINITION, "check constraints for domains cannot be marked NO INHERIT");
        break;
    case CONSTR(UNIQUE): RAISE(SQLSTATE_SYNTAX_ERROR, "unique constraints not possible for domains");
    case CONSTR(PRIMARY): RAISE(SQLSTATE_SYNTAX_ERROR, "primary key constraints not possible for domains");
    case CONSTR(EXCLUSION): RAISE(SQLSTATE_SYNTAX_ERROR, "exclusion constraints not possible for domains");
    case CONSTR(FOREIGN): RAISE(SQLSTATE_SYNTAX_ERROR, "foreign key constraints not possible for domains");
    default: UNSUPPORTED("specifying constraint deferrability not supported for domains");
    }
}

static Expr *
cook_domain_default(CommandContext *c, const PNode *raw, const char *name, const NewColumn *base)
{
    ColDesc col = {.name = (char *)name, .type = base->type, .typmod = base->typmod, .collation = base->collation};
    Expr *e = cook_default(c->arena, raw, NULL, &col, NULL, false);

    return IS(e, Const) && ((Const *)e)->isnull ? NULL : e;
}

void
cmd_create_domain(CommandContext *c, const PgQuery__CreateDomainStmt *s)
{
    const char *nsp_text, *name;
    NewColumn base = {.typmod = -1};
    DomainSpec d = {0};
    Expr *def = NULL;

    names_split(s->domainname, s->n_domainname, &nsp_text, &name);
    Oid nsp = nsp_for_creation(nsp_text, false);
    if (!acl_check(CAT_PG_NAMESPACE, nsp, current_user_oid, ACL_CREATE))
        acl_raise(CAT_PG_NAMESPACE, nsp);
    if (!type_make_room(name, nsp))
        RAISE(SQLSTATE_DUPLICATE_OBJECT, "type \"%s\" already exists", name);
    sql_resolve_type_name(s->type_name, c->text, &base.type, &base.typmod);
    const TypeInfo *ti = type_info(base.type);
    if (strchr("bdce", ti->typtype) == NULL)
        RAISE(SQLSTATE_DATATYPE_MISMATCH, "\"%s\" is not a valid base type for a domain", type_format(c->arena, base.type, -1, false));
    if (ti->ops == NULL)
        UNSUPPORTED("domains over type %s are not supported", type_format(c->arena, base.type, -1, false));
    base.ndims = (int)s->type_name->n_array_bounds;
    base.collation = ti->collation;
    if (s->coll_clause) {
        if (ti->collation == 0)
            RAISE(SQLSTATE_DATATYPE_MISMATCH, "collations are not supported by type %s", type_format(c->arena, base.type, -1, false));
        base.collation = sql_resolve_collation(s->coll_clause);
    }
    for (size_t i = 0; i < s->n_constraints; i++)
        read_domain_constraint(s->constraints[i]->constraint, &d);
    if (d.def)
        def = cook_domain_default(c, d.def, name, &base);
    Oid oid = insert_domain(c, name, nsp, &base, def, d.not_null);
    for (size_t i = 0; i < s->n_constraints; i++)
        if (s->constraints[i]->constraint->contype == CONSTR(CHECK))
            add_domain_check(c, oid, name, nsp, &base, s->constraints[i]->constraint);
}

/* ---- ALTER DOMAIN ---- */

/* Rows of every table column of the domain hold to the check (NULL: are not null). */
static void
validate_columns(CommandContext *c, Oid domain, Expr *check)
{
    Datum keys[2] = {oid_datum(CAT_PG_TYPE), oid_datum(domain)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 2, keys);
    const CatRow *r;
    List *rels = list_new(c->arena), *atts = list_new(c->arena);

    while ((r = cat_scan_next(s)) != NULL)
        if (datum_oid(cat_val(r, PG_DEPEND_CLASSID)) == CAT_PG_CLASS && datum_int32(cat_val(r, PG_DEPEND_OBJSUBID)) > 0) {
            list_push(rels, (void *)(uintptr_t)datum_oid(cat_val(r, PG_DEPEND_OBJID)));
            list_push(atts, (void *)(intptr_t)datum_int32(cat_val(r, PG_DEPEND_OBJSUBID)));
        }
    cat_scan_end(s);
    for (int i = 0; i < list_count(rels); i++) {
        RelDesc *rel = rel_open((Oid)(uintptr_t)list_at(rels, i), LOCK_SHARE);
        int att = (int)(intptr_t)list_at(atts, i);
        if (rel->kind != 'r' && rel->kind != 'm')
            continue;
        Arena *tmp = arena_create(c->arena, "domain check"), *row = arena_create(tmp, "row");
        ToVar x = {tmp, att};
        ExprState *state = check ? expr_prepare(tmp, to_column(check, &x)) : NULL;
        RowScan *scan = row_scan_begin(tmp, rel);
        while (row_scan_next(scan)) {
            bool isnull = false;
            arena_reset(row);
            if (check == NULL) {
                if (scan->nulls[att - 1])
                    RAISE_ERR(SQLSTATE_NOT_NULL_VIOLATION, err_message("column \"%s\" of table \"%s\" contains null values", rel->cols[att - 1].name, rel->name),
                              err_object(rel->nsp_name, rel->name, rel->cols[att - 1].name, NULL, NULL));
                continue;
            }
            Datum v = expr_eval(state, row, scan->values, scan->nulls, &isnull);
            if (!isnull && !datum_bool(v))
                RAISE_ERR(SQLSTATE_CHECK_VIOLATION,
                          err_message("column \"%s\" of table \"%s\" contains values that violate the new constraint", rel->cols[att - 1].name, rel->name),
                          err_object(rel->nsp_name, rel->name, rel->cols[att - 1].name, NULL, NULL));
        }
        row_scan_end(scan);
        arena_destroy(tmp);
    }
}

static void
domain_default(CommandContext *c, Oid oid, const PNode *raw, const NewColumn *base)
{
    Arena *a = c->arena;
    RowEdit *row = row_edit(a, CAT_PG_TYPE, cat_get_by_oid(CAT_PG_TYPE, oid));
    const TypeInfo *ti = type_info(oid);
    bool given = raw && raw->node_case != PG_QUERY__NODE__NODE__NOT_SET;
    Expr *e = given ? cook_domain_default(c, raw, ti->name, base) : NULL;
    ObjAddr self = {CAT_PG_TYPE, oid, 0};
    Oid nsp = ti->nsp;

    if (e) {
        row_set(row, PG_TYPE_TYPDEFAULTBIN, var_from_cstring(a, node_write(a, e)));
        row_set(row, PG_TYPE_TYPDEFAULT, var_from_cstring(a, sql_deparse_expr(a, e, NULL, false)));
    } else {
        row_null(row, PG_TYPE_TYPDEFAULTBIN);
        row_null(row, PG_TYPE_TYPDEFAULT);
    }
    row_save(row);
    depend_delete_for(self, 'n');
    txn_command_increment();
    depend_add(self, (ObjAddr){CAT_PG_NAMESPACE, nsp, 0}, 'n');
    depend_add(self, (ObjAddr){CAT_PG_TYPE, base->type, 0}, 'n');
    if (base->collation && base->collation != COLLATION_DEFAULT)
        depend_add(self, (ObjAddr){CAT_PG_COLLATION, base->collation, 0}, 'n');
    if (e)
        depend_add_expr(self, e, 0, 'n');
}

static void
domain_not_null(CommandContext *c, Oid oid, bool on)
{
    if (type_info(oid)->not_null == on)
        return;
    if (on)
        validate_columns(c, oid, NULL);
    RowEdit *row = row_edit(c->arena, CAT_PG_TYPE, cat_get_by_oid(CAT_PG_TYPE, oid));
    row_set(row, PG_TYPE_TYPNOTNULL, bool_datum(on));
    row_save(row);
}

static void
domain_add(CommandContext *c, Oid oid, const PgQuery__Constraint *con, const NewColumn *base)
{
    const TypeInfo *ti = type_info(oid);
    DomainSpec d = {0};

    read_domain_constraint(con, &d);
    if (con->contype != CONSTR(CHECK))
        INTERNAL_ERROR("unrecognized constraint type: %d", (int)con->contype);
    Expr *e = add_domain_check(c, oid, ti->name, ti->nsp, base, con);
    if (!con->skip_validation)
        validate_columns(c, oid, e);
}

static void
domain_drop(CommandContext *c, Oid oid, const PgQuery__AlterDomainStmt *s)
{
    ObjAddr a = {CAT_PG_CONSTRAINT, 0, 0};

    if (!domain_constraint_exists(c->arena, oid, s->name, &a.obj)) {
        const char *domain = names_text(c->arena, s->type_name, s->n_type_name);
        if (!s->missing_ok)
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" of domain \"%s\" does not exist", s->name, domain);
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("constraint \"%s\" of domain \"%s\" does not exist, skipping", s->name, domain));
        return;
    }
    objects_drop(&a, 1, IS_CASCADE(s->behavior), false);
}

static void
domain_validate(CommandContext *c, Oid oid, const PgQuery__AlterDomainStmt *s)
{
    Oid con = 0;

    if (!domain_constraint_exists(c->arena, oid, s->name, &con))
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" of domain \"%s\" does not exist", s->name, names_text(c->arena, s->type_name, s->n_type_name));
    const CatRow *r = cat_get_by_oid(CAT_PG_CONSTRAINT, con);
    validate_columns(c, oid, node_read(c->arena, cat_name(c->arena, r, PG_CONSTRAINT_CONBIN)));
    RowEdit *row = row_edit(c->arena, CAT_PG_CONSTRAINT, r);
    row_set(row, PG_CONSTRAINT_CONVALIDATED, bool_datum(true));
    row_save(row);
}

void
cmd_alter_domain(CommandContext *c, const PgQuery__AlterDomainStmt *s)
{
    PgQuery__TypeName t = PG_QUERY__TYPE_NAME__INIT;

    t.names = s->type_name;
    t.n_names = s->n_type_name;
    Oid oid = type_name_lookup(&t, false);
    const TypeInfo *ti = type_info(oid);
    if (ti->typtype != 'd')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(c->arena, oid, -1, false));
    acl_require_owner(CAT_PG_TYPE, oid);
    NewColumn base = {.type = ti->base, .typmod = ti->typmod, .collation = ti->collation, .ndims = ti->ndims};
    switch (s->subtype[0]) {
    case 'T': domain_default(c, oid, s->def, &base); break;
    case 'N': domain_not_null(c, oid, false); break;
    case 'O': domain_not_null(c, oid, true); break;
    case 'C': domain_add(c, oid, s->def->constraint, &base); break;
    case 'X': domain_drop(c, oid, s); break;
    case 'V': domain_validate(c, oid, s); break;
    default: INTERNAL_ERROR("unrecognized alter domain type: %d", s->subtype[0]);
    }
    txn_command_increment();
}
