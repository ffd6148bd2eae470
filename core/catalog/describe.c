/*
 * Objects in words, as messages name them: "table t", "column c of table t", "constraint x on table t".
 * Names are qualified where the search path does not find them.
 */
#include "core/catalog/cat_internal.h"
#include "core/types/text.h"

static char *
quoted(Arena *a, const char *name)
{
    StrBuf s;

    str_init(&s, a);
    quote_ident_append(&s, (Span){name, strlen(name)});
    return s.data;
}

char *
name_qualified(Arena *a, Oid nsp, const char *name, bool visible)
{
    char *schema = visible ? NULL : nsp_name(a, nsp);

    return schema ? arena_printf(a, "%s.%s", quoted(a, schema), quoted(a, name)) : quoted(a, name);
}

char *
rel_name_qualified(Arena *a, Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    if (!r)
        return NULL;
    return name_qualified(a, cat_oid(r, PG_CLASS_RELNAMESPACE), cat_name(a, r, PG_CLASS_RELNAME), rel_is_visible(rel));
}

/* name(argument types), as regprocedure prints. */
char *
fn_signature(Arena *a, Oid fn, bool force_qualify)
{
    const FnInfo *f;
    StrBuf s;

    if (!fn_exists(fn))
        return NULL;
    f = fn_info(fn);
    str_init(&s, a);
    str_add(&s, name_qualified(a, f->nsp, f->name, !force_qualify && fn_is_visible(fn)));
    str_add_char(&s, '(');
    for (int i = 0; i < f->nargs; i++)
        str_printf(&s, "%s%s", i ? "," : "", type_format(a, f->args[i], -1, force_qualify));
    str_add_char(&s, ')');
    return s.data;
}

bool
op_is_visible(Oid op)
{
    const OpInfo *o = op_info(op);

    return op_lookup_exact(o->name, o->left, o->right) == op;
}

char *
op_signature(Arena *a, Oid op, bool force_qualify)
{
    const OpInfo *o;
    const char *nsp = NULL;

    if (!op_exists(op))
        return NULL;
    o = op_info(op);
    if (force_qualify || !op_is_visible(op))
        nsp = nsp_name(a, o->nsp);
    return arena_printf(a, "%s%s%s(%s,%s)", nsp ? quoted(a, nsp) : "", nsp ? "." : "", o->name, o->left ? type_format(a, o->left, -1, force_qualify) : "NONE",
                        o->right ? type_format(a, o->right, -1, force_qualify) : "NONE");
}

static const char *
relation_kind(char kind)
{
    switch (kind) {
    case 'r': case 'p': return "table";
    case 'i': case 'I': return "index";
    case 'S': return "sequence";
    case 't': return "toast table";
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'c': return "composite type";
    case 'f': return "foreign table";
    default: return "relation";
    }
}

static char *
describe_relation(Arena *a, Oid rel)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_CLASS, rel);

    return r ? arena_printf(a, "%s %s", relation_kind(cat_char(r, PG_CLASS_RELKIND)), rel_name_qualified(a, rel)) : NULL;
}

static char *
describe_column(Arena *a, Oid rel, int attnum)
{
    const CatRow *r = cat_get(IDX_PG_ATTRIBUTE_RELID_ATTNUM_INDEX, oid_datum(rel), int16_datum((int16_t)attnum), 0, 0);
    char *of = describe_relation(a, rel);

    return r && of ? arena_printf(a, "column %s of %s", quoted(a, cat_name(a, r, PG_ATTRIBUTE_ATTNAME)), of) : NULL;
}

/* "<kind> name on <relation>": rules, triggers, policies, constraints. */
static char *
describe_on(Arena *a, const char *kind, const CatRow *r, int name, int rel)
{
    char *on = describe_relation(a, cat_oid(r, rel));

    return arena_printf(a, "%s %s on %s", kind, cat_name(a, r, name), on ? on : "?"); /* these names are not quoted */
}

static char *
describe_constraint(Arena *a, const CatRow *r)
{
    char *name = quoted(a, cat_name(a, r, PG_CONSTRAINT_CONNAME));

    if (cat_oid(r, PG_CONSTRAINT_CONRELID))
        return describe_on(a, "constraint", r, PG_CONSTRAINT_CONNAME, PG_CONSTRAINT_CONRELID);
    if (cat_oid(r, PG_CONSTRAINT_CONTYPID))
        return arena_printf(a, "constraint %s on type %s", name, type_format(a, cat_oid(r, PG_CONSTRAINT_CONTYPID), -1, false));
    return arena_printf(a, "constraint %s", name);
}

static char *
describe_opclass(Arena *a, const CatRow *r, const char *kind, int name, int method)
{
    const CatRow *am = cat_get_by_oid(CAT_PG_AM, cat_oid(r, method));

    return arena_printf(a, "%s %s for access method %s", kind, quoted(a, cat_name(a, r, name)), am ? cat_name(a, am, PG_AM_AMNAME) : "?");
}

static const struct { Oid cls; const char *kind; int name; } named[] = {
    {CAT_PG_NAMESPACE, "schema", PG_NAMESPACE_NSPNAME},
    {CAT_PG_DATABASE, "database", PG_DATABASE_DATNAME},
    {CAT_PG_AUTHID, "role", PG_AUTHID_ROLNAME},
    {CAT_PG_TABLESPACE, "tablespace", PG_TABLESPACE_SPCNAME},
    {CAT_PG_LANGUAGE, "language", PG_LANGUAGE_LANNAME},
    {CAT_PG_AM, "access method", PG_AM_AMNAME},
    {CAT_PG_COLLATION, "collation", PG_COLLATION_COLLNAME},
    {CAT_PG_CONVERSION, "conversion", PG_CONVERSION_CONNAME},
    {CAT_PG_EXTENSION, "extension", PG_EXTENSION_EXTNAME},
    {CAT_PG_EVENT_TRIGGER, "event trigger", PG_EVENT_TRIGGER_EVTNAME},
    {CAT_PG_FOREIGN_DATA_WRAPPER, "foreign-data wrapper", PG_FOREIGN_DATA_WRAPPER_FDWNAME},
    {CAT_PG_FOREIGN_SERVER, "server", PG_FOREIGN_SERVER_SRVNAME},
    {CAT_PG_PUBLICATION, "publication", PG_PUBLICATION_PUBNAME},
    {CAT_PG_SUBSCRIPTION, "subscription", PG_SUBSCRIPTION_SUBNAME},
    {CAT_PG_STATISTIC_EXT, "statistics object", PG_STATISTIC_EXT_STXNAME},
    {CAT_PG_TS_CONFIG, "text search configuration", PG_TS_CONFIG_CFGNAME},
    {CAT_PG_TS_DICT, "text search dictionary", PG_TS_DICT_DICTNAME},
};

char *
object_describe(Arena *a, ObjAddr o)
{
    const CatRow *r;
    char *text;

    switch (o.cls) {
    case CAT_PG_CLASS:
        return o.sub ? describe_column(a, o.obj, o.sub) : describe_relation(a, o.obj);
    case CAT_PG_TYPE:
        return type_info_or_null(o.obj) ? arena_printf(a, "type %s", type_format(a, o.obj, -1, false)) : NULL;
    case CAT_PG_PROC:
        text = fn_signature(a, o.obj, false);
        if (!text)
            return NULL;
        return arena_printf(a, "%s %s", fn_info(o.obj)->kind == 'p' ? "procedure" : fn_info(o.obj)->kind == 'a' ? "aggregate" : "function", text);
    case CAT_PG_OPERATOR:
        text = op_signature(a, o.obj, false);
        return text ? arena_printf(a, "operator %s", text) : NULL;
    default:
        break;
    }
    if (!cat_table_find(o.cls) || !cat_table(o.cls)->oid_index)
        return NULL;
    r = cat_get_by_oid(o.cls, o.obj);
    if (!r)
        return NULL;
    switch (o.cls) {
    case CAT_PG_CONSTRAINT:
        return describe_constraint(a, r);
    case CAT_PG_ATTRDEF:
        text = describe_column(a, cat_oid(r, PG_ATTRDEF_ADRELID), datum_int16(cat_val(r, PG_ATTRDEF_ADNUM)));
        return text ? arena_printf(a, "default value for %s", text) : NULL;
    case CAT_PG_REWRITE:
        return describe_on(a, "rule", r, PG_REWRITE_RULENAME, PG_REWRITE_EV_CLASS);
    case CAT_PG_TRIGGER:
        return describe_on(a, "trigger", r, PG_TRIGGER_TGNAME, PG_TRIGGER_TGRELID);
    case CAT_PG_POLICY:
        return describe_on(a, "policy", r, PG_POLICY_POLNAME, PG_POLICY_POLRELID);
    case CAT_PG_CAST:
        return arena_printf(a, "cast from %s to %s", type_format(a, cat_oid(r, PG_CAST_CASTSOURCE), -1, false),
                            type_format(a, cat_oid(r, PG_CAST_CASTTARGET), -1, false));
    case CAT_PG_OPCLASS:
        return describe_opclass(a, r, "operator class", PG_OPCLASS_OPCNAME, PG_OPCLASS_OPCMETHOD);
    case CAT_PG_OPFAMILY:
        return describe_opclass(a, r, "operator family", PG_OPFAMILY_OPFNAME, PG_OPFAMILY_OPFMETHOD);
    case CAT_PG_DEFAULT_ACL: {
        char *who = role_name(a, cat_oid(r, PG_DEFAULT_ACL_DEFACLROLE)), kind = cat_char(r, PG_DEFAULT_ACL_DEFACLOBJTYPE);
        Oid nsp = cat_oid(r, PG_DEFAULT_ACL_DEFACLNAMESPACE);

        return arena_printf(a, "default privileges on new %s belonging to role %s%s%s",
                            kind == 'r' ? "relations" : kind == 'S' ? "sequences" : kind == 'f' ? "functions" : kind == 'T' ? "types" : "schemas",
                            who ? who : "?", nsp ? " in schema " : "", nsp ? nsp_name(a, nsp) : "");
    }
    default:
        break;
    }
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (named[i].cls == o.cls)
            return arena_printf(a, "%s %s", named[i].kind, quoted(a, cat_name(a, r, named[i].name)));
    return arena_printf(a, "object %u of catalog %s", o.obj, cat_table(o.cls)->name);
}
