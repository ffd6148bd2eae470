/*
 * DROP, and object names to addresses (used by COMMENT and others too). The dropping itself, with what
 * depends on the objects, is objects_drop of core/catalog.
 */
#include "core/sql/command/command_internal.h"

/* ---- relations ---- */

typedef struct RelWord { PgQuery__ObjectType type; const char *kinds; const char *noun; const char *a_noun; const char *hint; } RelWord;
static const RelWord rel_words[] = {
    {OBJ(TABLE), "rp", "table", "a table", "Use DROP TABLE to remove a table."},
    {OBJ(SEQUENCE), "S", "sequence", "a sequence", "Use DROP SEQUENCE to remove a sequence."},
    {OBJ(VIEW), "v", "view", "a view", "Use DROP VIEW to remove a view."},
    {OBJ(MATVIEW), "m", "materialized view", "a materialized view", "Use DROP MATERIALIZED VIEW to remove a materialized view."},
    {OBJ(INDEX), "iI", "index", "an index", "Use DROP INDEX to remove an index."},
    {OBJ(TYPE), "c", "type", "a type", "Use DROP TYPE to remove a type."},
    {OBJ(FOREIGN_TABLE), "f", "foreign table", "a foreign table", "Use DROP FOREIGN TABLE to remove a foreign table."},
};

static const RelWord *
word_of(PgQuery__ObjectType type)
{
    for (size_t i = 0; i < COUNT_OF(rel_words); i++)
        if (rel_words[i].type == type)
            return &rel_words[i];
    return NULL;
}

static const char *
hint_for_kind(char kind)
{
    for (size_t i = 0; i < COUNT_OF(rel_words); i++)
        if (strchr(rel_words[i].kinds, kind))
            return rel_words[i].hint;
    return NULL;
}

/* 0: missing, and that is fine (told by a NOTICE when dropping). */
static Oid
relation_named(PNode **names, size_t n, const RelWord *w, bool missing_ok, bool dropping, LockMode lock)
{
    const char *nsp, *name;

    names_split(names, n, &nsp, &name);
    if (nsp && strcmp(nsp, "pg_temp") != 0 && nsp_oid(nsp, missing_ok) == 0) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("schema \"%s\" does not exist, skipping", nsp));
        return 0;
    }
    for (;;) {
        Oid oid = rel_lookup(nsp, name);
        if (oid == 0) {
            if (!missing_ok) {
                if (!dropping)
                    RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", names_text(txn_arena(), names, n));
                RAISE(w->type == OBJ(INDEX) ? SQLSTATE_UNDEFINED_OBJECT : SQLSTATE_UNDEFINED_TABLE, "%s \"%s\" does not exist", w->noun, name);
            }
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s \"%s\" does not exist, skipping", w->noun, name));
            return 0;
        }
        const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, oid);
        char kind = r ? (char)cat_val(r, PG_CLASS_RELKIND) : 0;
        if (r && strchr(w->kinds, kind) == NULL) {
            if (dropping && hint_for_kind(kind))
                RAISE_ERR(SQLSTATE_WRONG_OBJECT_TYPE, err_message("\"%s\" is not %s", name, w->a_noun), err_hint("%s", hint_for_kind(kind)));
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not %s", name, w->a_noun);
        }
        if (dropping && w->type == OBJ(INDEX)) { /* the table first, as everybody else locks */
            const CatRow *x = cat_get(IDX_PG_INDEX_INDEXRELID_INDEX, oid_datum(oid), 0, 0, 0);
            if (x)
                rel_open(datum_oid(cat_val(x, PG_INDEX_INDRELID)), lock);
        }
        if (rel_try_open(oid, lock) && rel_lookup(nsp, name) == oid)
            return oid;
    }
}

/* ---- other objects ---- */

Oid
type_name_lookup(const PgQuery__TypeName *t, bool missing_ok)
{
    const char *nsp, *name;

    names_split(t->names, t->n_names, &nsp, &name);
    if (nsp && nsp_oid(nsp, missing_ok) == 0)
        return 0;
    Oid oid = type_lookup(nsp, name);
    if (oid && t->n_array_bounds)
        oid = type_array_of(oid);
    if (oid == 0 && !missing_ok)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "type \"%s\" does not exist", names_text(txn_arena(), t->names, t->n_names));
    return oid;
}

static Oid
name_in_catalog(Oid table, int name_att, int oid_att, const char *name)
{
    CatScan *s = cat_scan_begin(table, 0, 0, NULL);
    const CatRow *r;
    Oid oid = 0;

    while (oid == 0 && (r = cat_scan_next(s)) != NULL)
        if (strcmp(cat_name(txn_arena(), r, name_att), name) == 0)
            oid = datum_oid(cat_val(r, oid_att));
    cat_scan_end(s);
    return oid;
}

static ObjAddr
function_address(const PgQuery__ObjectWithArgs *o, const char *noun, bool missing_ok)
{
    const char *nsp, *name;
    const FnInfo **cands;
    Oid args[MAX_FN_ARGS];
    StrBuf sig;
    Oid found = 0;
    int hits = 0;

    names_split(o->objname, o->n_objname, &nsp, &name);
    str_init(&sig, txn_arena());
    str_printf(&sig, "%s(", names_text(txn_arena(), o->objname, o->n_objname));
    for (size_t i = 0; i < o->n_objargs && i < MAX_FN_ARGS; i++) {
        sql_resolve_type_name(o->objargs[i]->type_name, NULL, &args[i], NULL);
        str_printf(&sig, "%s%s", i ? ", " : "", type_format(txn_arena(), args[i], -1, false));
    }
    str_add(&sig, ")");
    int n = fn_candidates(nsp, name, txn_arena(), &cands);
    for (int i = 0; i < n; i++) {
        bool same = o->args_unspecified || cands[i]->nargs == (int)o->n_objargs;
        for (int k = 0; same && !o->args_unspecified && k < cands[i]->nargs; k++)
            same = cands[i]->args[k] == args[k];
        if (same) {
            found = cands[i]->oid;
            hits++;
        }
    }
    if (o->args_unspecified && hits > 1)
        RAISE_ERR(SQLSTATE_AMBIGUOUS_FUNCTION, err_message("%s name \"%s\" is not unique", noun, name),
                  err_hint("Specify the argument list to select the %s unambiguously.", noun));
    if (found == 0 && !missing_ok) {
        if (o->args_unspecified)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION, "could not find a %s named \"%s\"", noun, names_text(txn_arena(), o->objname, o->n_objname));
        RAISE(SQLSTATE_UNDEFINED_FUNCTION, "%s %s does not exist", noun, sig.data);
    }
    if (found == 0) {
        if (o->args_unspecified)
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s %s() does not exist, skipping", noun, name));
        else
            REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s %s does not exist, skipping", noun, sig.data));
    }
    return (ObjAddr){CAT_PG_PROC, found, 0};
}

static ObjAddr
column_address(PNode **names, size_t n, LockMode lock)
{
    const char *nsp, *name;

    names_split(names, n - 1, &nsp, &name);
    if (nsp)
        nsp_oid(nsp, false);
    Oid rel = rel_lookup(nsp, name);
    if (rel == 0)
        RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", names_text(txn_arena(), names, n - 1));
    RelDesc *r = rel_open(rel, lock);
    const char *col = pnode_string(names[n - 1]);
    int att = rel_attnum(r, col);
    if (att == 0)
        RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", col, r->name);
    return (ObjAddr){CAT_PG_CLASS, rel, att};
}

/* A constraint, rule, trigger or policy: the table's name, then its own. */
static ObjAddr
part_address(PgQuery__ObjectType type, PNode **names, size_t n, bool missing_ok, LockMode lock)
{
    const char *nsp, *name, *part = pnode_string(names[n - 1]);

    names_split(names, n - 1, &nsp, &name);
    Oid rel = nsp && nsp_oid(nsp, missing_ok) == 0 ? 0 : rel_lookup(nsp, name);
    if (rel == 0) {
        if (!missing_ok)
            RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", names_text(txn_arena(), names, n - 1));
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("relation \"%s\" does not exist, skipping", names_text(txn_arena(), names, n - 1)));
        return (ObjAddr){0};
    }
    RelDesc *r = rel_open(rel, lock);
    ObjAddr out = {0};
    const char *noun = type == OBJ(RULE) ? "rule" : type == OBJ(TRIGGER) ? "trigger" : type == OBJ(POLICY) ? "policy" : "constraint";
    if (type == OBJ(TABCONSTRAINT))
        out = (ObjAddr){CAT_PG_CONSTRAINT, constraint_find(rel, part, NULL), 0};
    else if (type == OBJ(RULE)) {
        const CatRow *row = cat_get(IDX_PG_REWRITE_REL_RULENAME_INDEX, oid_datum(rel), ptr_datum(part), 0, 0);
        out = (ObjAddr){CAT_PG_REWRITE, row ? datum_oid(cat_val(row, PG_REWRITE_OID)) : 0, 0};
    }
    if (out.obj == 0) {
        if (!missing_ok) {
            if (type == OBJ(TABCONSTRAINT))
                RAISE(SQLSTATE_UNDEFINED_OBJECT, "constraint \"%s\" for table \"%s\" does not exist", part, r->name);
            RAISE(SQLSTATE_UNDEFINED_OBJECT, "%s \"%s\" for relation \"%s\" does not exist", noun, part, r->name);
        }
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s \"%s\" for relation \"%s\" does not exist, skipping", noun, part, r->name));
    }
    return out;
}

static ObjAddr
missing_named(const char *noun, const char *name, uint32_t state, bool missing_ok)
{
    if (!missing_ok)
        RAISE(state, "%s \"%s\" does not exist", noun, name);
    REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("%s \"%s\" does not exist, skipping", noun, name));
    return (ObjAddr){0};
}

static ObjAddr
address_of(PgQuery__ObjectType type, const PNode *object, bool missing_ok, bool dropping, LockMode lock)
{
    PNode **names = object->node_case == PN(LIST) ? object->list->items : NULL;
    size_t n = names ? object->list->n_items : 0;
    const char *single = pnode_string(object);
    const RelWord *w = type == OBJ(TYPE) ? NULL : word_of(type);

    if (w)
        return (ObjAddr){CAT_PG_CLASS, relation_named(names, n, w, missing_ok, dropping, lock), 0};
    switch (type) {
    case OBJ(COLUMN): return column_address(names, n, lock);
    case OBJ(TABCONSTRAINT): case OBJ(RULE): case OBJ(TRIGGER): case OBJ(POLICY): return part_address(type, names, n, missing_ok, lock);
    case OBJ(SCHEMA): {
        Oid oid = nsp_oid(single, true);
        return oid ? (ObjAddr){CAT_PG_NAMESPACE, oid, 0} : missing_named("schema", single, SQLSTATE_UNDEFINED_SCHEMA, missing_ok);
    }
    case OBJ(TYPE): case OBJ(DOMAIN): {
        Oid oid = type_name_lookup(object->type_name, true);
        if (oid == 0)
            return missing_named("type", names_text(txn_arena(), object->type_name->names, object->type_name->n_names), SQLSTATE_UNDEFINED_OBJECT, missing_ok);
        if (type == OBJ(DOMAIN) && type_info(oid)->typtype != 'd')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "%s is not a domain", type_format(txn_arena(), oid, -1, false));
        return (ObjAddr){CAT_PG_TYPE, oid, 0};
    }
    case OBJ(FUNCTION): return function_address(object->object_with_args, "function", missing_ok);
    case OBJ(PROCEDURE): return function_address(object->object_with_args, "procedure", missing_ok);
    case OBJ(ROUTINE): return function_address(object->object_with_args, "routine", missing_ok);
    case OBJ(AGGREGATE): return function_address(object->object_with_args, "aggregate", missing_ok);
    case OBJ(DATABASE): return (ObjAddr){CAT_PG_DATABASE, database_oid(single, false), 0};
    case OBJ(ROLE): return (ObjAddr){CAT_PG_AUTHID, role_oid(single, false), 0};
    case OBJ(EXTENSION): {
        Oid oid = name_in_catalog(CAT_PG_EXTENSION, PG_EXTENSION_EXTNAME, PG_EXTENSION_OID, single);
        return oid ? (ObjAddr){CAT_PG_EXTENSION, oid, 0} : missing_named("extension", single, SQLSTATE_UNDEFINED_OBJECT, missing_ok);
    }
    case OBJ(LANGUAGE): {
        Oid oid = name_in_catalog(CAT_PG_LANGUAGE, PG_LANGUAGE_LANNAME, PG_LANGUAGE_OID, single);
        return oid ? (ObjAddr){CAT_PG_LANGUAGE, oid, 0} : missing_named("language", single, SQLSTATE_UNDEFINED_OBJECT, missing_ok);
    }
    case OBJ(COLLATION): {
        const char *nsp, *name;
        names_split(names, n, &nsp, &name);
        Oid oid = name_in_catalog(CAT_PG_COLLATION, PG_COLLATION_COLLNAME, PG_COLLATION_OID, name);
        return oid ? (ObjAddr){CAT_PG_COLLATION, oid, 0} : missing_named("collation", name, SQLSTATE_UNDEFINED_OBJECT, missing_ok);
    }
    default: UNSUPPORTED("objects of this kind are not supported");
    }
}

ObjAddr
object_address(CommandContext *c, PgQuery__ObjectType type, const PNode *object, bool missing_ok, LockMode lock)
{
    return address_of(type, object, missing_ok, false, lock);
}

/* ---- DROP ---- */

static void
check_may_drop(ObjAddr addr)
{
    if (addr.cls == CAT_PG_CLASS) {
        RelDesc *r = rel_open(addr.obj, LOCK_ACCESS_SHARE);
        require_ordinary(r);
        if (object_owner(CAT_PG_NAMESPACE, r->nsp) == current_user_oid)
            return;
    } else if (addr.cls == CAT_PG_REWRITE) {
        const CatRow *row = cat_get_by_oid(CAT_PG_REWRITE, addr.obj);
        addr = (ObjAddr){CAT_PG_CLASS, datum_oid(cat_val(row, PG_REWRITE_EV_CLASS)), 0};
    }
    acl_require_owner(addr.cls, addr.obj);
}

void
cmd_drop(CommandContext *c, const PgQuery__DropStmt *s)
{
    ObjAddr *addrs = ARENA_ARRAY(c->arena, ObjAddr, s->n_objects + 1);
    int n = 0;

    if (s->concurrent) {
        if (session_hooks.require_no_block)
            session_hooks.require_no_block(c, "DROP INDEX CONCURRENTLY");
        if (s->n_objects != 1)
            UNSUPPORTED("DROP INDEX CONCURRENTLY does not support dropping multiple objects");
        if (IS_CASCADE(s->behavior))
            UNSUPPORTED("DROP INDEX CONCURRENTLY does not support CASCADE");
    }
    switch (s->remove_type) {
    case OBJ(TABLE): case OBJ(SEQUENCE): case OBJ(VIEW): case OBJ(INDEX): case OBJ(MATVIEW): case OBJ(FOREIGN_TABLE):
    case OBJ(SCHEMA): case OBJ(TYPE): case OBJ(DOMAIN): case OBJ(FUNCTION): case OBJ(PROCEDURE): case OBJ(ROUTINE): case OBJ(AGGREGATE):
    case OBJ(RULE): case OBJ(TRIGGER): case OBJ(POLICY): case OBJ(EXTENSION): case OBJ(COLLATION): case OBJ(LANGUAGE): break;
    default: UNSUPPORTED("%s is not supported", c->tag);
    }
    for (size_t i = 0; i < s->n_objects; i++) {
        ObjAddr a = address_of(s->remove_type, s->objects[i], s->missing_ok, true, LOCK_ACCESS_EXCLUSIVE);
        if (a.obj == 0)
            continue;
        check_may_drop(a);
        addrs[n++] = a;
    }
    if (n)
        objects_drop(addrs, n, IS_CASCADE(s->behavior), false);
    txn_command_increment();
}
