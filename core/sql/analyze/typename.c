/*
 * Type names of the grammar to OIDs and typmods; COLLATE names.
 */
#include "core/sql/analyze/analyze_internal.h"

static char *
type_name_text(Arena *a, const PgQuery__TypeName *t)
{
    StrBuf b;
    str_init(&b, a);
    for (size_t i = 0; i < t->n_names; i++)
        str_printf(&b, "%s%s", i ? "." : "", pstr(t->names[i]));
    if (t->n_array_bounds)
        str_add(&b, "[]");
    return b.data;
}

static const char *
typmod_text(Arena *a, const PNode *n, const PgQuery__TypeName *t, const char *text)
{
    if (n->node_case == PN(A_CONST)) {
        const PgQuery__AConst *c = n->a_const;
        switch (c->val_case) {
        case PG_QUERY__A__CONST__VAL_IVAL: return arena_printf(a, "%d", c->ival->ival);
        case PG_QUERY__A__CONST__VAL_FVAL: return c->fval->fval;
        case PG_QUERY__A__CONST__VAL_SVAL: return c->sval->sval;
        case PG_QUERY__A__CONST__VAL__NOT_SET: return "0";
        default: break;
        }
    } else if (n->node_case == PN(COLUMN_REF) && n->column_ref->n_fields == 1 && pstr(n->column_ref->fields[0]))
        return pstr(n->column_ref->fields[0]);
    (void)text;
    RAISE_AT(SQLSTATE_SYNTAX_ERROR, t->location, "type modifiers must be simple constants or identifiers");
}

static int32_t
resolve_typmod(Arena *a, const PgQuery__TypeName *t, const TypeInfo *ti, const char *text)
{
    if (t->n_typmods == 0)
        return t->typemod == 0 ? -1 : t->typemod;
    if (ti->ops == NULL || ti->ops->typmod_in == NULL)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, t->location, "type modifier is not allowed for type \"%s\"", type_name_text(a, t));
    const char *mods[8];
    if (t->n_typmods > COUNT_OF(mods))
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, t->location, "type modifier is not allowed for type \"%s\"", type_name_text(a, t));
    for (size_t i = 0; i < t->n_typmods; i++)
        mods[i] = typmod_text(a, t->typmods[i], t, text);
    FnCtx c = {.arena = a, .state_arena = a, .ret_type = ti->oid};
    int32_t mod = -1;
    ERR_TRY
    {
        mod = ti->ops->typmod_in(&c, mods, (int)t->n_typmods);
    }
    ERR_CATCH
    {
        ErrReport *r = err_copy(a, err_current());
        if (r->position < 0)
            r->position = t->location;
        err_clear();
        err_throw_report(r);
    }
    ERR_END;
    return mod;
}

/* table.column%TYPE */
static void
resolve_pct_type(Arena *a, const PgQuery__TypeName *t, Oid *type, int32_t *typmod)
{
    const char *nsp = t->n_names > 2 ? pstr(t->names[t->n_names - 3]) : NULL;
    if (t->n_names < 2)
        RAISE_AT(SQLSTATE_SYNTAX_ERROR, t->location, "improper %%TYPE reference (too few dotted names): %s", type_name_text(a, t));
    const char *relname = pstr(t->names[t->n_names - 2]), *col = pstr(t->names[t->n_names - 1]);
    Oid rel = rel_lookup(nsp, relname);
    RelDesc *r = rel ? rel_open(rel, LOCK_ACCESS_SHARE) : NULL;
    if (r == NULL)
        RAISE_AT(SQLSTATE_UNDEFINED_TABLE, t->location, "relation \"%s\" does not exist", relname);
    int att = rel_attnum(r, col);
    if (att <= 0)
        RAISE_AT(SQLSTATE_UNDEFINED_COLUMN, t->location, "column \"%s\" of relation \"%s\" does not exist", col, relname);
    *type = r->cols[att - 1].type;
    *typmod = r->cols[att - 1].typmod;
}

void
sql_resolve_type_name(const PgQuery__TypeName *t, const char *text, Oid *type, int32_t *typmod)
{
    Arena *a = txn_arena(); /* names and messages only: small, and gone with the transaction */
    Oid oid = 0;
    int32_t mod = -1;
    if (t->pct_type)
        resolve_pct_type(a, t, &oid, &mod);
    else if (t->n_names == 0)
        oid = t->type_oid;
    else {
        const char *nsp, *name;
        split_name(t->names, t->n_names, &nsp, &name);
        if (nsp)
            nsp_oid(nsp, false);
        oid = type_lookup(nsp, name);
        if (oid == 0)
            RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, t->location, "type \"%s\" does not exist", type_name_text(a, t));
        const TypeInfo *ti = type_info(oid);
        if (!ti->defined)
            RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, t->location, "type \"%s\" is only a shell", type_name_text(a, t));
        mod = resolve_typmod(a, t, ti, text);
    }
    if (t->n_array_bounds) {
        Oid array = type_array_of(oid);
        if (array == 0)
            RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, t->location, "type \"%s\" does not exist", type_name_text(a, t));
        oid = array;
    }
    *type = oid;
    if (typmod)
        *typmod = mod;
}

Oid
sql_resolve_collation(const PgQuery__CollateClause *c)
{
    const char *nsp, *name;
    split_name(c->collname, c->n_collname, &nsp, &name);
    Oid found = 0;
    CatScan *s = cat_scan_begin(CAT_PG_COLLATION, 0, 0, NULL);
    const CatRow *r;
    while ((r = cat_scan_next(s)) != NULL && found == 0)
        if (strncmp(datum_ptr(cat_val(r, PG_COLLATION_COLLNAME)), name, NAME_BYTES) == 0)
            found = datum_oid(cat_val(r, PG_COLLATION_OID));
    cat_scan_end(s);
    if (found == 0)
        RAISE_AT(SQLSTATE_UNDEFINED_OBJECT, c->location, "collation \"%s\" for encoding \"UTF8\" does not exist", name);
    return found;
}
