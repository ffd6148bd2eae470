/*
 * has_..._privilege and kin. Each comes in forms that name the role and the object by name or by OID;
 * the declared argument types tell which.
 */
#include "core/catalog/fn_util.h"

typedef struct PrivName { const char *name; uint32_t bits; bool option; } PrivName;

/* "SELECT, INSERT WITH GRANT OPTION": which of them. Any one of the list suffices. */
typedef struct PrivList { int n; struct { uint32_t bit; bool option; } e[16]; } PrivList;

static PrivList
parse_privileges(const char *text, uint32_t allowed)
{
    PrivList l = {0};
    const char *p = text;

    for (;;) {
        char word[64];
        size_t n, len;
        bool option = false, found = false;

        p += strspn(p, " \t\n\r\f\v");
        n = strcspn(p, ",");
        for (len = n; len > 0 && strchr(" \t\n\r\f\v", p[len - 1]); len--)
            ;
        if (len < sizeof word) {
            static const char tail[] = " with grant option";

            memcpy(word, p, len);
            word[len] = '\0';
            if (len > sizeof tail - 1 && str_casecmp_ascii(word + len - (sizeof tail - 1), tail) == 0) {
                option = true;
                word[len - (sizeof tail - 1)] = '\0';
            }
            for (int i = 0; i < ACL_BITS && !found; i++)
                if ((allowed >> i & 1) && (str_casecmp_ascii(word, acl_bit_name(1u << i)) == 0 || (i == 10 && str_casecmp_ascii(word, "TEMP") == 0)) &&
                    l.n < (int)COUNT_OF(l.e)) {
                    l.e[l.n].bit = 1u << i;
                    l.e[l.n++].option = option;
                    found = true;
                }
        }
        if (!found)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"%.*s\"", (int)len, p);
        p += n;
        if (*p++ != ',')
            return l;
    }
}

/* ---- the arguments ---- */

typedef struct PrivCall { Oid role; int object; /* index of the object's argument */ } PrivCall;

/* A role name; "public" stands for everybody. */
static Oid
role_argument(FnCtx *c, Datum d, Oid type)
{
    char *name;

    if (type == OID_OID)
        return datum_oid(d);
    name = name_arg(c, d);
    return strcmp(name, "public") == 0 ? ROLE_PUBLIC : role_oid(name, false);
}

static PrivCall
decode(FnCtx *c, const Datum *args, int nargs_with_role)
{
    if (c->nargs == nargs_with_role)
        return (PrivCall){role_argument(c, args[0], declared_arg(c, 0)), 1};
    return (PrivCall){current_user_oid, 0};
}

/* PUBLIC itself: only what is granted to it. */
static uint32_t
mask_for(Oid table, Oid object, Oid role, uint32_t bits)
{
    AclObject o;
    AclItem *items;
    uint32_t got = 0;
    int n;

    if (role != ROLE_PUBLIC)
        return acl_object_mask(table, object, role, bits);
    if (!acl_object(table, object, &o))
        return 0;
    n = acl_items(txn_current_arena(), o.acl, o.isnull, o.objtype, o.owner, &items);
    for (int i = 0; i < n; i++)
        if (items[i].grantee == ROLE_PUBLIC)
            got |= items[i].bits & 0xFFFF;
    return got & bits;
}

static uint32_t
grantable(Oid table, Oid object, Oid role, uint32_t bits)
{
    AclObject o;
    AclItem *items;
    int n;

    if (!acl_object(table, object, &o))
        return 0;
    n = acl_items(txn_current_arena(), o.acl, o.isnull, o.objtype, o.owner, &items);
    return role == ROLE_PUBLIC ? 0 : acl_grantable(items, n, o.owner, role, bits);
}

static bool
has_any(Oid table, Oid object, Oid role, const PrivList *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->e[i].option ? grantable(table, object, role, l->e[i].bit) : mask_for(table, object, role, l->e[i].bit))
            return true;
    return false;
}

static Oid
object_by_name(FnCtx *c, Oid table, char *name)
{
    const CatRow *r = NULL;
    int att = 0;
    const char *kind = "";

    switch (table) {
    case CAT_PG_CLASS: return reg_in(c->arena, REGCLASS_OID, name, false);
    case CAT_PG_PROC: return reg_in(c->arena, REGPROCEDURE_OID, name, false);
    case CAT_PG_TYPE: return reg_in(c->arena, REGTYPE_OID, name, false);
    case CAT_PG_NAMESPACE: return nsp_oid(name, false);
    default: break;
    }
    if (strlen(name) >= NAME_BYTES)
        name[NAME_BYTES - 1] = '\0';
    switch (table) {
    case CAT_PG_DATABASE:
        r = cat_get(IDX_PG_DATABASE_DATNAME_INDEX, ptr_datum(name), 0, 0, 0);
        att = PG_DATABASE_OID;
        if (!r)
            RAISE(SQLSTATE_UNDEFINED_DATABASE, "database \"%s\" does not exist", name);
        break;
    case CAT_PG_LANGUAGE:
        kind = "language";
        r = cat_get(IDX_PG_LANGUAGE_NAME_INDEX, ptr_datum(name), 0, 0, 0);
        att = PG_LANGUAGE_OID;
        break;
    case CAT_PG_TABLESPACE:
        kind = "tablespace";
        r = cat_get(IDX_PG_TABLESPACE_SPCNAME_INDEX, ptr_datum(name), 0, 0, 0);
        att = PG_TABLESPACE_OID;
        break;
    case CAT_PG_FOREIGN_DATA_WRAPPER:
        kind = "foreign-data wrapper";
        r = cat_get(IDX_PG_FOREIGN_DATA_WRAPPER_NAME_INDEX, ptr_datum(name), 0, 0, 0);
        att = PG_FOREIGN_DATA_WRAPPER_OID;
        break;
    case CAT_PG_FOREIGN_SERVER:
        kind = "server";
        r = cat_get(IDX_PG_FOREIGN_SERVER_NAME_INDEX, ptr_datum(name), 0, 0, 0);
        att = PG_FOREIGN_SERVER_OID;
        break;
    default:
        break;
    }
    if (!r)
        RAISE(SQLSTATE_UNDEFINED_OBJECT, "%s \"%s\" does not exist", kind, name);
    return cat_oid(r, att);
}

static Datum
has_privilege(FnCtx *c, const Datum *args, bool *isnull, Oid table, uint32_t allowed)
{
    PrivCall k = decode(c, args, 3);
    Oid object;
    PrivList l;

    if (declared_arg(c, k.object) == OID_OID)
        object = datum_oid(args[k.object]);
    else
        object = object_by_name(c, table, text_arg(c, args[k.object]));
    l = parse_privileges(text_arg(c, args[k.object + 1]), allowed);
    if (declared_arg(c, k.object) == OID_OID && !cat_get_by_oid(table, object))
        return null_datum(isnull);
    return bool_datum(has_any(table, object, k.role, &l));
}

#define HAS(fn, table, bits)                                                                         \
    Datum fn(FnCtx *c, const Datum *args, bool *isnull) { return has_privilege(c, args, isnull, table, bits); }
HAS(fnc_has_table_privilege, CAT_PG_CLASS, ACL_ALL_TABLE)
HAS(fnc_has_schema_privilege, CAT_PG_NAMESPACE, ACL_ALL_SCHEMA)
HAS(fnc_has_database_privilege, CAT_PG_DATABASE, ACL_ALL_DATABASE)
HAS(fnc_has_function_privilege, CAT_PG_PROC, ACL_EXECUTE)
HAS(fnc_has_language_privilege, CAT_PG_LANGUAGE, ACL_USAGE)
HAS(fnc_has_tablespace_privilege, CAT_PG_TABLESPACE, ACL_CREATE)
HAS(fnc_has_type_privilege, CAT_PG_TYPE, ACL_USAGE)
HAS(fnc_has_foreign_data_wrapper_privilege, CAT_PG_FOREIGN_DATA_WRAPPER, ACL_USAGE)
HAS(fnc_has_server_privilege, CAT_PG_FOREIGN_SERVER, ACL_USAGE)

Datum
fnc_has_sequence_privilege(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivCall k = decode(c, args, 3);
    bool by_name = declared_arg(c, k.object) != OID_OID;
    Oid rel = by_name ? object_by_name(c, CAT_PG_CLASS, text_arg(c, args[k.object])) : datum_oid(args[k.object]);
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (!r)
        return null_datum(isnull);
    if (cat_char(r, PG_CLASS_RELKIND) != 'S')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", cat_name(c->arena, r, PG_CLASS_RELNAME));
    return has_privilege(c, args, isnull, CAT_PG_CLASS, ACL_ALL_SEQUENCE);
}

/* Parameters are not granted to anybody: superusers may. */
Datum
fnc_has_parameter_privilege(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivCall k = decode(c, args, 3);

    (void)parse_privileges(text_arg(c, args[k.object + 1]), ACL_SET | ACL_ALTER_SYSTEM);
    return bool_datum(k.role != ROLE_PUBLIC && role_is_superuser(k.role));
}

/* ---- columns ---- */

static bool
column_has(Oid rel, int attnum, Oid role, const PrivList *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->e[i].option) {
            if (grantable(CAT_PG_CLASS, rel, role, l->e[i].bit))
                return true;
        } else if (role == ROLE_PUBLIC ? mask_for(CAT_PG_CLASS, rel, role, l->e[i].bit) != 0 : acl_check_column(rel, attnum, role, l->e[i].bit)) {
            return true;
        }
    return false;
}

static Oid
relation_argument(FnCtx *c, const Datum *args, int i)
{
    return declared_arg(c, i) == OID_OID ? datum_oid(args[i]) : object_by_name(c, CAT_PG_CLASS, text_arg(c, args[i]));
}

Datum
fnc_has_column_privilege(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivCall k = decode(c, args, 4);
    Oid rel = relation_argument(c, args, k.object);
    PrivList l = parse_privileges(text_arg(c, args[k.object + 2]), ACL_ALL_COLUMN);
    int attnum;

    if (!cat_get_by_oid(CAT_PG_CLASS, rel))
        return null_datum(isnull);
    if (declared_arg(c, k.object + 1) == INT2_OID) {
        attnum = datum_int16(args[k.object + 1]);
    } else {
        char *name = text_arg(c, args[k.object + 1]);
        RelDesc *d = rel_open(rel, LOCK_ACCESS_SHARE);

        attnum = rel_attnum(d, name);
        if (attnum == 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", name, d->name);
    }
    const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);
    if (!r || cat_bool(r, PG_ATTRIBUTE_ATTISDROPPED))
        return null_datum(isnull);
    return bool_datum(column_has(rel, attnum, k.role, &l));
}

Datum
fnc_has_any_column_privilege(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivCall k = decode(c, args, 3);
    Oid rel = relation_argument(c, args, k.object);
    PrivList l = parse_privileges(text_arg(c, args[k.object + 1]), ACL_ALL_COLUMN);
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);
    int natts;

    if (!r)
        return null_datum(isnull);
    natts = datum_int16(cat_val(r, PG_CLASS_RELNATTS));
    if (has_any(CAT_PG_CLASS, rel, k.role, &l))
        return bool_datum(true);
    for (int i = 1; i <= natts; i++)
        if (column_has(rel, i, k.role, &l))
            return bool_datum(true);
    return bool_datum(false);
}

/* ---- roles ---- */

Datum
fnc_has_role(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivCall k = decode(c, args, 3);
    Oid role = declared_arg(c, k.object) == OID_OID ? datum_oid(args[k.object]) : role_oid(name_arg(c, args[k.object]), false);
    const char *p = text_arg(c, args[k.object + 1]);
    bool yes = false;

    for (;;) {
        size_t n = strcspn(p, ",");
        char *word = arena_strndup(c->arena, p, n);

        while (*word == ' ')
            word++;
        if (str_casecmp_ascii(word, "USAGE") == 0)
            yes |= role_is_member(k.role, role);
        else if (str_casecmp_ascii(word, "MEMBER") == 0)
            yes |= role_may_become(k.role, role);
        else if (strstr(word, "OPTION") || strstr(word, "option"))
            yes |= role_is_admin_of(k.role, role);
        else
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"%s\"", word);
        p += n;
        if (*p++ != ',')
            return bool_datum(yes);
    }
}

/* Row security is asked of pg_class; superusers and owners are not bound by it. */
Datum
fnc_row_security_active(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid rel = relation_argument(c, args, 0);
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);
    bool owner;

    if (!r || !cat_bool(r, PG_CLASS_RELROWSECURITY) || role_is_superuser(current_user_oid))
        return bool_datum(false);
    owner = role_is_member(current_user_oid, cat_oid(r, PG_CLASS_RELOWNER));
    return bool_datum(!owner || cat_bool(r, PG_CLASS_RELFORCEROWSECURITY));
}

/* ---- aclitems ---- */

Datum
fnc_makeaclitem(FnCtx *c, const Datum *args, bool *isnull)
{
    PrivList l = parse_privileges(text_arg(c, args[2]), (1u << ACL_BITS) - 1);
    AclItem x = {datum_oid(args[0]), datum_oid(args[1]), 0};

    for (int i = 0; i < l.n; i++)
        x.bits |= l.e[i].bit | (datum_bool(args[3]) ? l.e[i].bit << 16 : 0);
    return aclitem_make(c->arena, x);
}

Datum
fnc_acldefault(FnCtx *c, const Datum *args, bool *isnull)
{
    AclItem items[2];
    char kind = (char)args[0];

    if (kind == 0 || !strchr("crsdflLnptFST", kind))
        RAISE(SQLSTATE_INTERNAL_ERROR, "unrecognized object type abbreviation: %c", kind);
    return acl_make(c->arena, items, acl_default(kind, datum_oid(args[1]), items));
}

Datum
fnc_aclitemeq(FnCtx *c, const Datum *args, bool *isnull)
{
    return bool_datum(memcmp(datum_ptr(args[0]), datum_ptr(args[1]), ACLITEM_BYTES) == 0);
}

Datum
fnc_hash_aclitem(FnCtx *c, const Datum *args, bool *isnull)
{
    AclItem x = aclitem_load(args[0]);

    return int32_datum((int32_t)(x.bits + x.grantee + x.grantor));
}

Datum
fnc_hash_aclitem_extended(FnCtx *c, const Datum *args, bool *isnull)
{
    AclItem x = aclitem_load(args[0]);

    return int64_datum((int64_t)((uint64_t)(x.bits + x.grantee + x.grantor) + (uint64_t)args[1]));
}

Datum
fnc_aclcontains(FnCtx *c, const Datum *args, bool *isnull)
{
    AclItem *items, want = aclitem_load(args[1]);
    int n = acl_items(c->arena, args[0], false, 'r', 0, &items);

    for (int i = 0; i < n; i++)
        if (items[i].grantee == want.grantee && items[i].grantor == want.grantor && (items[i].bits & want.bits) == want.bits)
            return bool_datum(true);
    return bool_datum(false);
}

bool
setc_aclexplode(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 4);

    if (rows) {
        AclItem *items;
        int count = acl_items(rows->arena, args[0], false, 'r', 0, &items);
        Datum *v;
        bool *n;

        for (int i = 0; i < count; i++)
            for (int b = 0; b < ACL_BITS; b++) {
                if (!(items[i].bits >> b & 1))
                    continue;
                fn_rows_add(rows, &v, &n);
                ROW_SET(0, oid_datum(items[i].grantor));
                ROW_SET(1, oid_datum(items[i].grantee));
                ROW_TEXT(2, acl_bit_name(1u << b));
                ROW_SET(3, bool_datum(items[i].bits >> (b + 16) & 1));
            }
    }
    return fn_rows_next(c, out, outnull);
}
