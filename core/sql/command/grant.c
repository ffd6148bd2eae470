/*
 * GRANT and REVOKE on objects: tables and their columns, sequences, databases, schemas, functions,
 * types, languages. The lists themselves are core/catalog/acl.c's.
 */
#include "core/catalog/privileges.h"
#include "core/sql/command/alter_internal.h"

/* ---- lists under a change of owner or role ---- */

Datum
acl_new_owner(Arena *a, Datum acl, Oid from, Oid to)
{
    AclItem *items;
    int n = acl_items(a, acl, false, 'r', from, &items), out = 0;

    for (int i = 0; i < n; i++) {
        AclItem x = items[i];
        int k = 0;
        if (x.grantee == from)
            x.grantee = to;
        if (x.grantor == from)
            x.grantor = to;
        while (k < out && !(items[k].grantee == x.grantee && items[k].grantor == x.grantor))
            k++;
        if (k < out)
            items[k].bits |= x.bits;
        else
            items[out++] = x;
    }
    return acl_make(a, items, out);
}

typedef struct AclPlace { Oid table; int att; } AclPlace;
static const AclPlace acl_places[] = {
    {CAT_PG_CLASS, PG_CLASS_RELACL}, {CAT_PG_DATABASE, PG_DATABASE_DATACL}, {CAT_PG_NAMESPACE, PG_NAMESPACE_NSPACL},
    {CAT_PG_PROC, PG_PROC_PROACL}, {CAT_PG_TYPE, PG_TYPE_TYPACL}, {CAT_PG_LANGUAGE, PG_LANGUAGE_LANACL},
};

static int
acl_att(Oid table)
{
    for (size_t i = 0; i < COUNT_OF(acl_places); i++)
        if (acl_places[i].table == table)
            return acl_places[i].att;
    return 0;
}

static const CatRow *
acl_row(ObjAddr o, Oid *table, int *att)
{
    if (o.cls == CAT_PG_CLASS && o.sub) {
        *table = CAT_PG_ATTRIBUTE;
        *att = PG_ATTRIBUTE_ATTACL;
        return cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(o.obj), int16_datum((int16_t)o.sub), 0, 0);
    }
    *table = o.cls;
    *att = acl_att(o.cls);
    return *att ? cat_get_by_oid(o.cls, o.obj) : NULL;
}

static void
acl_store(Arena *a, ObjAddr o, Oid owner, Datum acl)
{
    Oid table;
    int att;
    const CatRow *r = acl_row(o, &table, &att);
    RowEdit *row = row_edit(a, table, r);
    AclItem *items;
    bool empty = o.sub != 0 && acl_items(a, acl, false, 'c', owner, &items) == 0;

    if (empty)
        row_null(row, att);
    else
        row_set(row, att, acl);
    row_save(row);
    depend_update_acl(o, owner, acl, empty);
    if (o.cls == CAT_PG_CLASS)
        rel_invalidate(o.obj);
    txn_command_increment();
}

void
acl_remove_role(Arena *a, ObjAddr o, Oid role)
{
    Oid table;
    int att, out = 0;
    const CatRow *r = acl_row(o, &table, &att);
    AclItem *items;

    if (r == NULL || cat_null(r, att))
        return;
    Oid owner = object_owner(o.cls, o.obj);
    int n = acl_items(a, cat_val(r, att), false, 'r', owner, &items);
    for (int i = 0; i < n; i++)
        if (items[i].grantee != role && items[i].grantor != role)
            items[out++] = items[i];
    acl_store(a, o, owner, acl_make(a, items, out));
}

/* ---- the statement's privileges ---- */

static const struct { const char *name; uint32_t bit; } privilege_names[] = {
    {"insert", ACL_INSERT}, {"select", ACL_SELECT}, {"update", ACL_UPDATE}, {"delete", ACL_DELETE}, {"truncate", ACL_TRUNCATE},
    {"references", ACL_REFERENCES}, {"trigger", ACL_TRIGGER}, {"execute", ACL_EXECUTE}, {"usage", ACL_USAGE}, {"create", ACL_CREATE},
    {"temporary", ACL_CREATE_TEMP}, {"temp", ACL_CREATE_TEMP}, {"connect", ACL_CONNECT}, {"set", ACL_SET}, {"alter system", ACL_ALTER_SYSTEM}};

uint32_t
privilege_bit(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(privilege_names); i++)
        if (strcmp(privilege_names[i].name, name) == 0)
            return privilege_names[i].bit;
    if (strcmp(name, "rule") == 0)
        return 0; /* an old privilege: accepted, without effect */
    RAISE(SQLSTATE_SYNTAX_ERROR, "unrecognized privilege type \"%s\"", name);
}

typedef struct Grant {
    Arena *arena;
    const PgQuery__GrantStmt *s;
    Oid *grantees;
    int ngrantees;
    uint32_t bits;    /* for the whole object */
    bool all;
    bool columns;     /* some are for columns */
    bool cascade;
} Grant;

typedef struct Target { ObjAddr addr; char objtype; uint32_t bits; bool all; const char *name, *column; } Target;

/* Who acts as grantor, and what it may pass on. */
static Oid
best_grantor(const AclItem *items, int n, Oid owner, uint32_t bits, uint32_t *options)
{
    Oid best = current_user_oid;
    uint32_t got = 0;

    if (role_is_member(current_user_oid, owner)) {
        *options = bits;
        return owner;
    }
    for (int pass = 0; pass < 2; pass++) /* oneself first, then roles one belongs to */
        for (int i = 0; i < n; i++) {
            Oid who = items[i].grantee;
            uint32_t have = 0;
            if (who == 0 || (pass == 0) != (who == current_user_oid) || (pass == 1 && !role_is_member(current_user_oid, who)))
                continue;
            for (int k = 0; k < n; k++)
                if (items[k].grantee == who)
                    have |= items[k].bits >> 16 & bits;
            if (__builtin_popcount(have) > __builtin_popcount(got)) {
                got = have;
                best = who;
            }
        }
    *options = got;
    return best;
}

static void
warn_restricted(const Grant *g, const Target *t, uint32_t got)
{
    const char *what;
    uint32_t state = g->s->is_grant ? SQLSTATE_WARNING_PRIVILEGE_NOT_GRANTED : SQLSTATE_WARNING_PRIVILEGE_NOT_REVOKED;

    if (got == 0)
        what = g->s->is_grant ? "no privileges were granted for" : "no privileges could be revoked for";
    else if (!t->all && got != t->bits)
        what = g->s->is_grant ? "not all privileges were granted for" : "not all privileges could be revoked for";
    else
        return;
    if (t->column)
        REPORT(LEVEL_WARNING, state, err_message("%s column \"%s\" of relation \"%s\"", what, t->column, t->name));
    else
        REPORT(LEVEL_WARNING, state, err_message("%s \"%s\"", what, t->name));
}

static void
change(const Grant *g, const Target *t)
{
    Oid table, owner;
    int att, n;
    const CatRow *r = acl_row(t->addr, &table, &att);
    AclItem *items;
    uint32_t options;

    if (r == NULL)
        INTERNAL_ERROR("cache lookup failed for object %u", t->addr.obj);
    bool isnull = cat_null(r, att);
    owner = object_owner(t->addr.cls, t->addr.obj);
    n = acl_items(g->arena, isnull ? 0 : cat_val(r, att), isnull, t->objtype, owner, &items);
    Oid grantor = best_grantor(items, n, owner, t->bits, &options);
    if (options == 0 && t->bits) {
        uint32_t any = acl_object_mask(t->addr.cls, t->addr.obj, grantor, acl_all_bits(t->objtype == 'c' ? 'r' : t->objtype));
        if (any == 0)
            acl_raise(t->addr.cls, t->addr.obj);
    }
    uint32_t bits = t->bits & options;
    warn_restricted(g, t, bits);
    if (bits == 0)
        return;
    Datum acl = acl_change(g->arena, isnull ? 0 : cat_val(r, att), isnull, owner, t->objtype, g->s->is_grant, bits, g->s->grant_option, grantor, g->grantees,
                           g->ngrantees, g->cascade);
    acl_store(g->arena, t->addr, owner, acl);
}

static NORETURN void
raise_invalid(uint32_t bits, const char *noun)
{
    RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "invalid privilege type %s for %s", acl_bit_name(bits & -bits), noun);
}

/* ---- relations ---- */

static void
change_column(const Grant *g, RelDesc *rel, int att, uint32_t bits, bool all)
{
    Target t = {{CAT_PG_CLASS, rel->oid, att}, 'c', bits, all, rel->name, att > 0 ? rel->cols[att - 1].name : "?"};
    change(g, &t);
}

static void
change_columns(const Grant *g, RelDesc *rel)
{
    uint64_t *seen = ARENA_ARRAY(g->arena, uint64_t, (size_t)rel->natts + 8);
    static const char *const system[] = {"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"};

    for (size_t i = 0; i < g->s->n_privileges; i++) {
        const PgQuery__AccessPriv *p = g->s->privileges[i]->access_priv;
        uint32_t bits = GIVEN(p->priv_name) ? privilege_bit(p->priv_name) : ACL_ALL_COLUMN;
        if (p->n_cols == 0)
            continue;
        if (bits & ~ACL_ALL_COLUMN)
            raise_invalid(bits & ~ACL_ALL_COLUMN, "column");
        for (size_t k = 0; k < p->n_cols; k++) {
            int att = rel_attnum(rel, pnode_string(p->cols[k]));
            if (att == 0)
                RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", pnode_string(p->cols[k]), rel->name);
            if (att < 0)
                UNSUPPORTED("privileges of system column \"%s\" are not supported", system[-att - 1]);
            seen[att] |= bits;
        }
    }
    for (int att = 1; att <= rel->natts; att++)
        if (seen[att])
            change_column(g, rel, att, (uint32_t)seen[att], seen[att] == ACL_ALL_COLUMN);
}

static void
change_relation(const Grant *g, Oid oid, bool as_sequence)
{
    RelDesc *rel = rel_open(oid, LOCK_ACCESS_SHARE);
    uint32_t bits = g->bits;

    if (rel->kind == 'i' || rel->kind == 'I')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is an index", rel->name);
    if (rel->kind == 'c')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is a composite type", rel->name);
    if (as_sequence && rel->kind != 'S')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", rel->name);
    bool seq = rel->kind == 'S';
    if (g->all)
        bits = seq ? ACL_ALL_SEQUENCE : ACL_ALL_TABLE;
    else if (seq && !as_sequence && (bits & ~ACL_ALL_SEQUENCE)) {
        REPORT(LEVEL_WARNING, SQLSTATE_INVALID_GRANT_OPERATION, err_message("sequence \"%s\" only supports USAGE, SELECT, and UPDATE privileges", rel->name));
        bits &= ACL_ALL_SEQUENCE;
    } else if (!seq && (bits & ~ACL_ALL_TABLE))
        raise_invalid(bits & ~ACL_ALL_TABLE, "table");
    if (bits) {
        Target t = {{CAT_PG_CLASS, oid, 0}, seq ? 's' : 'r', bits, g->all, rel->name, NULL};
        change(g, &t);
    }
    /* Revoked from the whole, revoked from each part. */
    for (int att = 1; !g->s->is_grant && !seq && (bits & ACL_ALL_COLUMN) && att <= rel->natts; att++) {
        const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(oid), int16_datum((int16_t)att), 0, 0);
        if (r && !cat_null(r, PG_ATTRIBUTE_ATTACL))
            change_column(g, rel, att, bits & ACL_ALL_COLUMN, true);
    }
    if (g->columns)
        change_columns(g, rel_open_again(oid));
}

/* ---- the objects ---- */

static Oid
named_object(CommandContext *c, const Grant *g, const PNode *n, Target *t)
{
    PgQuery__ObjectType type = g->s->objtype;

    switch (type) {
    case OBJ(DATABASE):
        t->addr = (ObjAddr){CAT_PG_DATABASE, database_oid(pnode_string(n), false), 0};
        t->objtype = 'd';
        t->name = pnode_string(n);
        break;
    case OBJ(SCHEMA):
        t->addr = (ObjAddr){CAT_PG_NAMESPACE, nsp_oid(pnode_string(n), false), 0};
        t->objtype = 'n';
        t->name = pnode_string(n);
        break;
    case OBJ(LANGUAGE):
        t->addr = object_address(c, type, n, false, LOCK_ACCESS_SHARE);
        t->objtype = 'l';
        t->name = pnode_string(n);
        break;
    case OBJ(FUNCTION): case OBJ(PROCEDURE): case OBJ(ROUTINE):
        t->addr = object_address(c, type, n, false, LOCK_ACCESS_SHARE);
        t->objtype = 'f';
        t->name = fn_info(t->addr.obj)->name;
        break;
    case OBJ(TYPE): case OBJ(DOMAIN): {
        PgQuery__TypeName name = PG_QUERY__TYPE_NAME__INIT;
        name.names = n->list->items;
        name.n_names = n->list->n_items;
        Oid oid = type_name_lookup(&name, false);
        const TypeInfo *ti = type_info(oid);
        if (type == OBJ(DOMAIN) && ti->typtype != 'd')
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a domain", ti->name);
        if (ti->elem && ti->category == 'A' && type_array_of(ti->elem) == oid)
            RAISE_ERR(SQLSTATE_INVALID_GRANT_OPERATION, err_message("cannot set privileges of array types"), err_hint("Set the privileges of the element type instead."));
        t->addr = (ObjAddr){CAT_PG_TYPE, oid, 0};
        t->objtype = 'T';
        t->name = ti->name;
        break;
    }
    default: UNSUPPORTED("GRANT and REVOKE are not supported for objects of this kind");
    }
    return t->addr.obj;
}

static const char *
object_noun(PgQuery__ObjectType t)
{
    switch (t) {
    case OBJ(TABLE): return "relation";
    case OBJ(SEQUENCE): return "sequence";
    case OBJ(DATABASE): return "database";
    case OBJ(DOMAIN): return "domain";
    case OBJ(FUNCTION): return "function";
    case OBJ(PROCEDURE): return "procedure";
    case OBJ(ROUTINE): return "routine";
    case OBJ(LANGUAGE): return "language";
    case OBJ(SCHEMA): return "schema";
    case OBJ(TYPE): return "type";
    default: return "object";
    }
}

static uint32_t
allowed_bits(PgQuery__ObjectType t)
{
    switch (t) {
    case OBJ(TABLE): return ACL_ALL_TABLE | ACL_ALL_SEQUENCE;
    case OBJ(SEQUENCE): return ACL_ALL_SEQUENCE;
    case OBJ(DATABASE): return ACL_ALL_DATABASE;
    case OBJ(FUNCTION): case OBJ(PROCEDURE): case OBJ(ROUTINE): return ACL_EXECUTE;
    case OBJ(SCHEMA): return ACL_ALL_SCHEMA;
    default: return ACL_USAGE;
    }
}

static void
read_privileges(Grant *g)
{
    const PgQuery__GrantStmt *s = g->s;

    g->all = s->n_privileges == 0;
    g->bits = g->all ? allowed_bits(s->objtype) : 0;
    for (size_t i = 0; i < s->n_privileges; i++) {
        const PgQuery__AccessPriv *p = s->privileges[i]->access_priv;
        if (p->n_cols) {
            if (s->objtype != OBJ(TABLE))
                RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "column privileges are only valid for relations");
            g->columns = true;
            continue;
        }
        if (!GIVEN(p->priv_name))
            INTERNAL_ERROR("AccessPriv node must specify privilege or columns");
        uint32_t bit = privilege_bit(p->priv_name);
        if (bit & ~allowed_bits(s->objtype))
            raise_invalid(bit, object_noun(s->objtype));
        g->bits |= bit;
    }
}

static void
change_in_schema(const Grant *g, Oid nsp)
{
    PgQuery__ObjectType type = g->s->objtype;
    bool fn = type == OBJ(FUNCTION) || type == OBJ(PROCEDURE) || type == OBJ(ROUTINE);
    CatScan *s = cat_scan_begin(fn ? CAT_PG_PROC : CAT_PG_CLASS, 0, 0, NULL);
    const CatRow *r;
    List *oids = list_new(g->arena);

    while ((r = cat_scan_next(s)) != NULL) {
        if (datum_oid(cat_val(r, fn ? PG_PROC_PRONAMESPACE : PG_CLASS_RELNAMESPACE)) != nsp)
            continue;
        char kind = fn ? (char)cat_val(r, PG_PROC_PROKIND) : (char)cat_val(r, PG_CLASS_RELKIND);
        bool wanted = type == OBJ(TABLE) ? strchr("rvmfp", kind) != NULL : type == OBJ(SEQUENCE) ? kind == 'S'
                      : type == OBJ(FUNCTION) ? kind != 'p' : type == OBJ(PROCEDURE) ? kind == 'p' : true;
        if (wanted)
            list_push(oids, (void *)(uintptr_t)datum_oid(cat_val(r, fn ? PG_PROC_OID : PG_CLASS_OID)));
    }
    cat_scan_end(s);
    for (int i = 0; i < list_count(oids); i++) {
        Oid oid = (Oid)(uintptr_t)list_at(oids, i);
        if (!fn) {
            change_relation(g, oid, type == OBJ(SEQUENCE));
            continue;
        }
        Target t = {{CAT_PG_PROC, oid, 0}, 'f', g->bits, g->all, fn_info(oid)->name, NULL};
        change(g, &t);
    }
}

void
cmd_grant(CommandContext *c, const PgQuery__GrantStmt *s)
{
    Grant g = {.arena = c->arena, .s = s, .cascade = IS_CASCADE(s->behavior)};

    if (s->grantor && role_spec_oid(s->grantor, false) != current_user_oid)
        UNSUPPORTED("grantor must be current user");
    g.grantees = ARENA_ARRAY(c->arena, Oid, s->n_grantees + 1);
    for (size_t i = 0; i < s->n_grantees; i++)
        g.grantees[g.ngrantees++] = role_spec_oid_or_public(s->grantees[i]->role_spec);
    read_privileges(&g);
    bool relations = s->objtype == OBJ(TABLE) || s->objtype == OBJ(SEQUENCE);
    for (size_t i = 0; i < s->n_objects; i++) {
        if (s->targtype == PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_ALL_IN_SCHEMA)
            change_in_schema(&g, nsp_oid(pnode_string(s->objects[i]), false));
        else if (relations)
            change_relation(&g, range_var_lookup(s->objects[i]->range_var, false), s->objtype == OBJ(SEQUENCE));
        else {
            Target t = {.bits = g.bits, .all = g.all};
            named_object(c, &g, s->objects[i], &t);
            change(&g, &t);
        }
    }
    txn_command_increment();
}
