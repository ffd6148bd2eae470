/*
 * Access control lists: reading, checking, changing them (form: privileges.h).
 *
 * The common cases cost no parsing: a superuser may do all; an object without a list belongs to its
 * owner and to what the kind's default gives PUBLIC.
 */
#include "core/catalog/cat_internal.h"
#include "core/types/text.h"

#define ROLE_READ_ALL_DATA 6181u
#define ROLE_WRITE_ALL_DATA 6182u

static const struct { char letter; const char *name; } rights[ACL_BITS] = {
    {'a', "INSERT"}, {'r', "SELECT"}, {'w', "UPDATE"}, {'d', "DELETE"}, {'D', "TRUNCATE"}, {'x', "REFERENCES"}, {'t', "TRIGGER"},
    {'X', "EXECUTE"}, {'U', "USAGE"}, {'C', "CREATE"}, {'T', "TEMPORARY"}, {'c', "CONNECT"}, {'s', "SET"}, {'A', "ALTER SYSTEM"},
};

const char *
acl_bit_name(uint32_t bit)
{
    return rights[__builtin_ctz(bit)].name;
}

/* ---- values ---- */

AclItem
aclitem_load(Datum d)
{
    const char *p = datum_ptr(d);

    return (AclItem){load_u32(p), load_u32(p + 4), load_u32(p + 8)};
}

static void
aclitem_store(char *p, AclItem x)
{
    store_u32(p, x.grantee);
    store_u32(p + 4, x.grantor);
    store_u32(p + 8, x.bits);
}

Datum
aclitem_make(Arena *a, AclItem x)
{
    char *p = arena_alloc(a, ACLITEM_BYTES);

    aclitem_store(p, x);
    return ptr_datum(p);
}

Datum
acl_make(Arena *a, const AclItem *items, int n)
{
    Datum *v = ARENA_ARRAY(a, Datum, MAX(n, 1));

    for (int i = 0; i < n; i++)
        v[i] = aclitem_make(a, items[i]);
    return array_construct_1d(a, ACLITEM_OID, v, NULL, n);
}

uint32_t
acl_all_bits(char objtype)
{
    switch (objtype) {
    case 'r': return ACL_ALL_TABLE;
    case 'c': return ACL_ALL_COLUMN;
    case 's': return ACL_ALL_SEQUENCE;
    case 'd': return ACL_ALL_DATABASE;
    case 'f': return ACL_EXECUTE;
    case 'n': return ACL_ALL_SCHEMA;
    case 't': return ACL_CREATE;
    case 'L': return ACL_SELECT | ACL_UPDATE;
    case 'p': return ACL_SET | ACL_ALTER_SYSTEM;
    default: return ACL_USAGE; /* l F S T */
    }
}

int
acl_default(char objtype, Oid owner, AclItem out[2])
{
    uint32_t world = objtype == 'd' ? ACL_CREATE_TEMP | ACL_CONNECT : objtype == 'f' ? ACL_EXECUTE : objtype == 'l' || objtype == 'T' ? ACL_USAGE : 0;
    uint32_t own = objtype == 'c' ? 0 : acl_all_bits(objtype);
    int n = 0;

    if (world)
        out[n++] = (AclItem){ROLE_PUBLIC, owner, world};
    if (own)
        out[n++] = (AclItem){owner, owner, own};
    return n;
}

int
acl_items(Arena *a, Datum acl, bool isnull, char objtype, Oid owner, AclItem **out)
{
    ArrayView v;

    if (isnull) {
        *out = ARENA_ARRAY(a, AclItem, 2);
        return acl_default(objtype, owner, *out);
    }
    array_view(acl, &v);
    *out = ARENA_ARRAY(a, AclItem, MAX(v.count, 1));
    for (int i = 0; i < v.count; i++)
        (*out)[i] = aclitem_load(ptr_datum(v.data + i * ACLITEM_BYTES));
    return v.count;
}

/* ---- checking ---- */

uint32_t
acl_mask(const AclItem *items, int n, Oid owner, Oid role, uint32_t bits)
{
    uint32_t got = 0;

    if (role_is_superuser(role))
        return bits;
    for (int i = 0; i < n && (got & bits) != bits; i++)
        if (items[i].grantee == ROLE_PUBLIC || items[i].grantee == role)
            got |= items[i].bits & 0xFFFF;
    for (int i = 0; i < n && (got & bits) != bits; i++)
        if (items[i].grantee != ROLE_PUBLIC && items[i].grantee != role && (items[i].bits & bits & ~got) && role_is_member(role, items[i].grantee))
            got |= items[i].bits & 0xFFFF;
    return got & bits;
}

uint32_t
acl_grantable(const AclItem *items, int n, Oid owner, Oid role, uint32_t bits)
{
    uint32_t got = 0;

    if (role_is_superuser(role) || role_is_member(role, owner))
        return bits;
    for (int i = 0; i < n; i++)
        if (items[i].grantee != ROLE_PUBLIC && role_is_member(role, items[i].grantee))
            got |= items[i].bits >> 16;
    return got & bits;
}

typedef struct OwnedClass { Oid table; int owner, acl, name; char objtype; const char *kind; } OwnedClass;
static const OwnedClass owned_classes[] = {
    {CAT_PG_CLASS, PG_CLASS_RELOWNER, PG_CLASS_RELACL, PG_CLASS_RELNAME, 'r', "relation"},
    {CAT_PG_NAMESPACE, PG_NAMESPACE_NSPOWNER, PG_NAMESPACE_NSPACL, PG_NAMESPACE_NSPNAME, 'n', "schema"},
    {CAT_PG_DATABASE, PG_DATABASE_DATDBA, PG_DATABASE_DATACL, PG_DATABASE_DATNAME, 'd', "database"},
    {CAT_PG_PROC, PG_PROC_PROOWNER, PG_PROC_PROACL, PG_PROC_PRONAME, 'f', "function"},
    {CAT_PG_TYPE, PG_TYPE_TYPOWNER, PG_TYPE_TYPACL, PG_TYPE_TYPNAME, 'T', "type"},
    {CAT_PG_LANGUAGE, PG_LANGUAGE_LANOWNER, PG_LANGUAGE_LANACL, PG_LANGUAGE_LANNAME, 'l', "language"},
    {CAT_PG_TABLESPACE, PG_TABLESPACE_SPCOWNER, PG_TABLESPACE_SPCACL, PG_TABLESPACE_SPCNAME, 't', "tablespace"},
    {CAT_PG_FOREIGN_DATA_WRAPPER, PG_FOREIGN_DATA_WRAPPER_FDWOWNER, PG_FOREIGN_DATA_WRAPPER_FDWACL, PG_FOREIGN_DATA_WRAPPER_FDWNAME, 'F', "foreign-data wrapper"},
    {CAT_PG_FOREIGN_SERVER, PG_FOREIGN_SERVER_SRVOWNER, PG_FOREIGN_SERVER_SRVACL, PG_FOREIGN_SERVER_SRVNAME, 'S', "foreign server"},
    {CAT_PG_OPERATOR, PG_OPERATOR_OPROWNER, 0, PG_OPERATOR_OPRNAME, 0, "operator"},
    {CAT_PG_OPCLASS, PG_OPCLASS_OPCOWNER, 0, PG_OPCLASS_OPCNAME, 0, "operator class"},
    {CAT_PG_OPFAMILY, PG_OPFAMILY_OPFOWNER, 0, PG_OPFAMILY_OPFNAME, 0, "operator family"},
    {CAT_PG_COLLATION, PG_COLLATION_COLLOWNER, 0, PG_COLLATION_COLLNAME, 0, "collation"},
    {CAT_PG_CONVERSION, PG_CONVERSION_CONOWNER, 0, PG_CONVERSION_CONNAME, 0, "conversion"},
    {CAT_PG_STATISTIC_EXT, PG_STATISTIC_EXT_STXOWNER, 0, PG_STATISTIC_EXT_STXNAME, 0, "statistics object"},
    {CAT_PG_EXTENSION, PG_EXTENSION_EXTOWNER, 0, PG_EXTENSION_EXTNAME, 0, "extension"},
    {CAT_PG_EVENT_TRIGGER, PG_EVENT_TRIGGER_EVTOWNER, 0, PG_EVENT_TRIGGER_EVTNAME, 0, "event trigger"},
    {CAT_PG_PUBLICATION, PG_PUBLICATION_PUBOWNER, 0, PG_PUBLICATION_PUBNAME, 0, "publication"},
    {CAT_PG_SUBSCRIPTION, PG_SUBSCRIPTION_SUBOWNER, 0, PG_SUBSCRIPTION_SUBNAME, 0, "subscription"},
    {CAT_PG_TS_CONFIG, PG_TS_CONFIG_CFGOWNER, 0, PG_TS_CONFIG_CFGNAME, 0, "text search configuration"},
    {CAT_PG_TS_DICT, PG_TS_DICT_DICTOWNER, 0, PG_TS_DICT_DICTNAME, 0, "text search dictionary"},
};

static const OwnedClass *
owned_class(Oid table)
{
    for (size_t i = 0; i < COUNT_OF(owned_classes); i++)
        if (owned_classes[i].table == table)
            return &owned_classes[i];
    return NULL;
}

bool
acl_object(Oid table, Oid object, AclObject *out)
{
    const OwnedClass *k = owned_class(table);
    const CatRow *r;

    if (!k)
        return false;
    *out = (AclObject){.objtype = k->objtype, .isnull = true};
    if (table == CAT_PG_TYPE || table == CAT_PG_PROC) { /* built in: without a look at the catalogs */
        const FnInfo *f = table == CAT_PG_PROC ? builtin_fn_info(object) : NULL;
        const TypeInfo *t = table == CAT_PG_TYPE ? builtin_type_info(object) : NULL;

        if ((f || t) && (catalog_database == 0 || catalog_bootstrapping)) {
            out->owner = ROLE_BOOTSTRAP;
            return true;
        }
    }
    r = cat_get_by_oid(table, object);
    if (!r)
        return false;
    out->owner = cat_oid(r, k->owner);
    if (k->acl && !cat_null(r, k->acl)) {
        out->acl = cat_val(r, k->acl);
        out->isnull = false;
    }
    if (table == CAT_PG_CLASS && cat_char(r, PG_CLASS_RELKIND) == 'S')
        out->objtype = 's';
    return true;
}

Oid
object_owner(Oid table, Oid object)
{
    const OwnedClass *k;
    const CatRow *r;

    switch (table) { /* parts of a relation belong to its owner */
    case CAT_PG_CONSTRAINT:
        r = cat_get_by_oid(table, object);
        if (r && cat_oid(r, PG_CONSTRAINT_CONRELID))
            return object_owner(CAT_PG_CLASS, cat_oid(r, PG_CONSTRAINT_CONRELID));
        return r ? object_owner(CAT_PG_TYPE, cat_oid(r, PG_CONSTRAINT_CONTYPID)) : 0;
    case CAT_PG_TRIGGER:
        r = cat_get_by_oid(table, object);
        return r ? object_owner(CAT_PG_CLASS, cat_oid(r, PG_TRIGGER_TGRELID)) : 0;
    case CAT_PG_REWRITE:
        r = cat_get_by_oid(table, object);
        return r ? object_owner(CAT_PG_CLASS, cat_oid(r, PG_REWRITE_EV_CLASS)) : 0;
    case CAT_PG_POLICY:
        r = cat_get_by_oid(table, object);
        return r ? object_owner(CAT_PG_CLASS, cat_oid(r, PG_POLICY_POLRELID)) : 0;
    case CAT_PG_ATTRDEF:
        r = cat_get_by_oid(table, object);
        return r ? object_owner(CAT_PG_CLASS, cat_oid(r, PG_ATTRDEF_ADRELID)) : 0;
    case CAT_PG_AUTHID:
        return object;
    default:
        break;
    }
    k = owned_class(table);
    r = k ? cat_get_by_oid(table, object) : NULL;
    return r ? cat_oid(r, k->owner) : 0;
}

/* Without a list: the default, with no array made of it. */
static uint32_t
object_mask(const AclObject *o, Oid role, uint32_t bits)
{
    AclItem items[32];
    ArrayView v;
    int n;

    if (o->isnull)
        return acl_mask(items, acl_default(o->objtype, o->owner, items), o->owner, role, bits);
    array_view(o->acl, &v);
    if (v.count <= (int)COUNT_OF(items)) {
        for (n = 0; n < v.count; n++)
            items[n] = aclitem_load(ptr_datum(v.data + n * ACLITEM_BYTES));
        return acl_mask(items, n, o->owner, role, bits);
    }
    AclItem *many;
    n = acl_items(txn_current_arena(), o->acl, false, o->objtype, o->owner, &many);
    return acl_mask(many, n, o->owner, role, bits);
}

uint32_t
acl_object_mask(Oid table, Oid object, Oid role, uint32_t bits)
{
    AclObject o;
    uint32_t got;

    if (role_is_superuser(role))
        return bits;
    if (!acl_object(table, object, &o))
        return 0;
    if (table == CAT_PG_NAMESPACE && nsp_is_temp(object))
        return acl_check(CAT_PG_DATABASE, catalog_database, role, ACL_CREATE_TEMP) ? bits : bits & ACL_USAGE;
    if (table == CAT_PG_CLASS && object < OID_FIRST_USER) {
        const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, object);

        if (cat_char(r, PG_CLASS_RELKIND) != 'v' && cat_oid(r, PG_CLASS_RELNAMESPACE) == NSP_PG_CATALOG)
            bits &= ~(ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE | ACL_USAGE);
    }
    got = object_mask(&o, role, bits);
    if (table == CAT_PG_CLASS) {
        if ((bits & ACL_SELECT & ~got) && role_is_member(role, ROLE_READ_ALL_DATA))
            got |= ACL_SELECT;
        if ((bits & ~got & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)) && role_is_member(role, ROLE_WRITE_ALL_DATA))
            got |= bits & (ACL_INSERT | ACL_UPDATE | ACL_DELETE);
    } else if (table == CAT_PG_NAMESPACE && (bits & ACL_USAGE & ~got) &&
               (role_is_member(role, ROLE_READ_ALL_DATA) || role_is_member(role, ROLE_WRITE_ALL_DATA))) {
        got |= ACL_USAGE;
    }
    return got;
}

bool
acl_check(Oid table, Oid object, Oid role, uint32_t bits)
{
    if (LIKELY(role_is_superuser(role)))
        return true;
    return acl_object_mask(table, object, role, bits) == bits;
}

static uint32_t
column_mask(Oid rel, int attnum, Oid role, uint32_t bits)
{
    const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);
    AclObject o = {.objtype = 'c', .isnull = false};

    if (!r || cat_null(r, PG_ATTRIBUTE_ATTACL) || cat_bool(r, PG_ATTRIBUTE_ATTISDROPPED))
        return 0;
    o.owner = object_owner(CAT_PG_CLASS, rel);
    o.acl = cat_val(r, PG_ATTRIBUTE_ATTACL);
    return object_mask(&o, role, bits);
}

bool
acl_check_column(Oid rel, int attnum, Oid role, uint32_t bits)
{
    uint32_t got = acl_object_mask(CAT_PG_CLASS, rel, role, bits);

    return got == bits || (got | column_mask(rel, attnum, role, bits & ~got)) == bits;
}

/* ---- complaints ---- */

static const char *
object_kind(Oid table, const CatRow *r)
{
    if (table == CAT_PG_CLASS && r)
        switch (cat_char(r, PG_CLASS_RELKIND)) {
        case 'v': return "view";
        case 'm': return "materialized view";
        case 'S': return "sequence";
        case 'i': case 'I': return "index";
        case 'f': return "foreign table";
        default: return "table";
        }
    if (table == CAT_PG_PROC && r)
        switch (cat_char(r, PG_PROC_PROKIND)) {
        case 'a': return "aggregate";
        case 'p': return "procedure";
        default: return "function";
        }
    return owned_class(table) ? owned_class(table)->kind : "object";
}

static const char *
object_name(Oid table, const CatRow *r)
{
    const OwnedClass *k = owned_class(table);

    return r && k ? cat_name(txn_current_arena(), r, k->name) : "?";
}

void
acl_raise(Oid table, Oid object)
{
    const CatRow *r = cat_get_by_oid(table, object);

    RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for %s %s", object_kind(table, r), object_name(table, r));
}

void
acl_require_owner(Oid table, Oid object)
{
    const CatRow *r;

    if (role_is_superuser(current_user_oid) || role_is_member(current_user_oid, object_owner(table, object)))
        return;
    r = cat_get_by_oid(table, object);
    if (!owned_class(table)) /* parts of a relation: named by it */
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be owner of %s", object_describe(txn_current_arena(), (ObjAddr){table, object, 0}));
    RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "must be owner of %s %s", object_kind(table, r), object_name(table, r));
}

/* ---- changing ---- */

typedef struct AclEdit { AclItem *items; int n, cap; Arena *arena; Oid owner; } AclEdit;

static int
edit_find(AclEdit *e, Oid grantee, Oid grantor, bool add)
{
    for (int i = 0; i < e->n; i++)
        if (e->items[i].grantee == grantee && e->items[i].grantor == grantor)
            return i;
    if (!add)
        return -1;
    if (e->n == e->cap) {
        e->items = arena_realloc(e->arena, e->items, sizeof(AclItem) * (size_t)e->cap, sizeof(AclItem) * (size_t)(e->cap * 2 + 4));
        e->cap = e->cap * 2 + 4;
    }
    e->items[e->n] = (AclItem){grantee, grantor, 0};
    return e->n++;
}

static uint32_t
edit_options_of(const AclEdit *e, Oid role)
{
    uint32_t got = 0;

    if (role == e->owner)
        return 0xFFFF;
    for (int i = 0; i < e->n; i++)
        if (e->items[i].grantee == role)
            got |= e->items[i].bits >> 16;
    return got;
}

static void edit_revoke(AclEdit *e, Oid grantee, Oid grantor, uint32_t bits, bool only_option, bool cascade);

/* Grants that rested on options the role no longer has go too, or forbid the change. */
static void
revoke_dependents(AclEdit *e, Oid role, uint32_t lost, bool cascade)
{
    lost &= ~edit_options_of(e, role);
    for (int i = 0; lost && i < e->n; i++) {
        uint32_t hit = e->items[i].bits & 0xFFFF & lost;

        if (e->items[i].grantor != role || hit == 0)
            continue;
        if (!cascade)
            RAISE_ERR(SQLSTATE_DEPENDENT_OBJECTS_STILL_EXIST, err_message("dependent privileges exist"), err_hint("Use CASCADE to revoke them too."));
        edit_revoke(e, e->items[i].grantee, role, hit, false, true);
        i = -1; /* the list has changed */
    }
}

static void
edit_revoke(AclEdit *e, Oid grantee, Oid grantor, uint32_t bits, bool only_option, bool cascade)
{
    int i = edit_find(e, grantee, grantor, false);
    uint32_t lost;

    if (i < 0)
        return;
    lost = e->items[i].bits >> 16 & bits;
    e->items[i].bits &= ~(bits << 16);
    if (!only_option)
        e->items[i].bits &= ~bits;
    if (e->items[i].bits == 0) {
        memmove(&e->items[i], &e->items[i + 1], sizeof(AclItem) * (size_t)(e->n - i - 1));
        e->n--;
    }
    if (lost && grantee != ROLE_PUBLIC)
        revoke_dependents(e, grantee, lost, cascade);
}

/* Would role still hold options if nobody had them from `grantee`? */
static void
check_circularity(const AclEdit *e, Oid grantee, Oid grantor, uint32_t bits)
{
    AclEdit copy = *e;
    bool again = true;

    if (grantor == e->owner)
        return;
    copy.items = arena_memdup(e->arena, e->items, sizeof(AclItem) * (size_t)MAX(e->cap, 1));
    while (again) {
        again = false;
        for (int i = 0; i < copy.n && !again; i++)
            if (copy.items[i].grantee == grantee && (copy.items[i].bits >> 16)) {
                edit_revoke(&copy, grantee, copy.items[i].grantor, copy.items[i].bits >> 16, true, true);
                again = true;
            }
    }
    if (bits & ~edit_options_of(&copy, grantor))
        RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "grant options cannot be granted back to your own grantor");
}

Datum
acl_change(Arena *a, Datum old, bool isnull, Oid owner, char objtype, bool grant, uint32_t bits, bool with_option, Oid grantor, const Oid *grantees,
           int n, bool cascade)
{
    AclEdit e = {.arena = a, .owner = owner};

    e.n = e.cap = acl_items(a, old, isnull, objtype, owner, &e.items);
    for (int i = 0; i < n; i++) {
        if (!grant) {
            edit_revoke(&e, grantees[i], grantor, bits, with_option, cascade);
            continue;
        }
        if (with_option && grantees[i] == ROLE_PUBLIC)
            RAISE(SQLSTATE_INVALID_GRANT_OPERATION, "grant options can only be granted to roles");
        if (with_option && grantees[i] != owner)
            check_circularity(&e, grantees[i], grantor, bits);
        /* The owner's options are implied. */
        uint32_t add = bits | (with_option && grantees[i] != owner ? bits << 16 : 0);
        int at = edit_find(&e, grantees[i], grantor, true);

        e.items[at].bits |= add;
    }
    return acl_make(a, e.items, e.n);
}

/* ---- the type aclitem ---- */

static void
put_role(StrBuf *s, Oid role)
{
    Arena *a = txn_current_arena();
    const char *name = role_name(a, role);
    bool safe = true;

    if (!name) {
        str_printf(s, "%u", role);
        return;
    }
    for (const char *p = name; *p; p++)
        safe &= (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_';
    if (!safe)
        str_add_char(s, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"')
            str_add_char(s, '"');
        str_add_char(s, *p);
    }
    if (!safe)
        str_add_char(s, '"');
}

static void
aclitem_out(FnCtx *c, Datum d, StrBuf *s)
{
    AclItem x = aclitem_load(d);

    if (x.grantee != ROLE_PUBLIC)
        put_role(s, x.grantee);
    str_add_char(s, '=');
    for (int i = 0; i < ACL_BITS; i++) {
        if (x.bits >> i & 1)
            str_add_char(s, rights[i].letter);
        if (x.bits >> (i + 16) & 1)
            str_add_char(s, '*');
    }
    str_add_char(s, '/');
    put_role(s, x.grantor);
}

/* A name up to one of the stop characters; quotes as aclitem_out writes them. */
static const char *
get_name(const char *p, char out[NAME_BYTES])
{
    size_t n = 0;
    bool quoted = false;

    p += strspn(p, " \t\n\r\f\v");
    for (; *p; p++) {
        if (*p == '"') {
            if (quoted && p[1] == '"') {
                p++;
            } else {
                quoted = !quoted;
                continue;
            }
        } else if (!quoted && !((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || (unsigned char)*p >= 0x80)) {
            break;
        }
        if (n >= NAME_BYTES - 1)
            RAISE_ERR(SQLSTATE_NAME_TOO_LONG, err_message("identifier too long"), err_detail("Identifier must be less than %d characters.", NAME_BYTES));
        out[n++] = *p;
    }
    out[n] = '\0';
    return p + strspn(p, " \t\n\r\f\v");
}

static Datum
aclitem_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    char name[NAME_BYTES], by[NAME_BYTES];
    AclItem x = {0, 0, 0};
    const char *p = get_name(text, name);
    int last = -1;

    if (*p != '=') { /* "group" or "user" may stand before the name */
        if (strcmp(name, "group") != 0 && strcmp(name, "user") != 0)
            RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION, err_message("unrecognized key word: \"%s\"", name),
                      err_hint("ACL key word must be \"group\" or \"user\"."));
        p = get_name(p, name);
        if (name[0] == '\0')
            RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION, err_message("missing name"), err_hint("A name must follow the \"group\" or \"user\" key word."));
    }
    if (*p != '=')
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "missing \"=\" sign");
    for (p++; (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '*'; p++) {
        if (*p == '*') {
            if (last >= 0)
                x.bits |= 1u << (last + 16);
            continue;
        }
        for (last = 0; last < ACL_BITS && rights[last].letter != *p; last++)
            ;
        if (last == ACL_BITS)
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "invalid mode character: must be one of \"%s\"", "arwdDxtXUCTcsA");
        x.bits |= 1u << last;
    }
    x.grantee = name[0] ? role_oid(name, false) : ROLE_PUBLIC;
    if (*p == '/') {
        p = get_name(p + 1, by);
        if (by[0] == '\0')
            RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "a name must follow the \"/\" sign");
        x.grantor = role_oid(by, false);
    } else {
        x.grantor = ROLE_BOOTSTRAP;
        REPORT(LEVEL_WARNING, SQLSTATE_INVALID_GRANTOR, err_message("defaulting grantor to user ID %u", x.grantor));
    }
    p += strspn(p, " \t\n\r\f\v");
    if (*p)
        RAISE(SQLSTATE_INVALID_TEXT_REPRESENTATION, "extra garbage at the end of the ACL specification");
    return aclitem_make(c->arena, x);
}

static bool
aclitem_eq(Datum a, Datum b, Oid collation)
{
    return memcmp(datum_ptr(a), datum_ptr(b), ACLITEM_BYTES) == 0;
}

static uint64_t
aclitem_hash(Datum d, Oid collation)
{
    AclItem x = aclitem_load(d);

    return (uint64_t)(x.bits + x.grantee + x.grantor) * UINT64_C(0x9E3779B97F4A7C15);
}

const TypeOps type_ops_aclitem = {
    .oid = ACLITEM_OID,
    .len = ACLITEM_BYTES,
    .in = aclitem_in,
    .out = aclitem_out,
    .eq = aclitem_eq,
    .hash = aclitem_hash,
};
