/*
 * The first database: initdb calls catalog_bootstrap() in an otherwise empty cluster to write the rows
 * that tables.def and the other .def files describe, as template1, in one transaction.
 *
 * Rows are written frozen (they belong to no transaction anybody could ask about) and without index
 * entries; the indexes are built from them at the end. Views come after, as SQL (system_views.sql).
 */
#include <locale.h>
#include <sys/stat.h>

#include "core/catalog/build.h"

typedef struct Row { Datum v[CAT_MAX_COLUMNS]; bool n[CAT_MAX_COLUMNS]; Oid table; } Row;

static Oid next_pinned_oid = 11000; /* objects without a number of their own that nobody may drop */
static Arena *arena;                /* scratch of one row */

static void
row_begin(Row *r, Oid table)
{
    arena_reset(arena);
    r->table = table;
    cat_values_init(r->v, r->n, CAT_MAX_COLUMNS);
}

static void
row_end(Row *r)
{
    (void)cat_insert(r->table, r->v, r->n);
}

#define SET(att, datum) CAT_SET(row.v, row.n, att, datum)
#define NAME(z) cat_name_datum(arena, z)
#define TEXT(z) var_from_cstring(arena, z)
#define CH(c) ((Datum)(unsigned char)(c))

/* ---- files ---- */

static void
make_dir(const char *path)
{
    (void)mkdir(path, 0700); /* initdb may have made it; a failure shows with the first file in it */
}

static void
create_files(void)
{
    make_dir("global");
    make_dir("base");
    make_dir("base/1");
    for (int i = 0; i < cat_table_count; i++) {
        CatTable *t = &cat_tables[i];

        storage_create(t->heap.locator, true);
        for (int k = 0; k < t->nindexes; k++)
            storage_create(t->indexes[k]->btree.locator, true);
        if (t->toast) {
            storage_create(t->toast_heap.locator, true);
            storage_create(t->toast_btree.locator, true);
            btree_build_empty(&t->toast_btree);
        }
    }
}

/* ---- types ---- */

static void
put_types(void)
{
    for (int i = 0; i < builtin_type_count; i++) {
        const TypeDef *d = &builtin_types[i];
        bool array = d->category == 'A' && d->elem != 0 && d->storage != 'p';
        Row row;

        row_begin(&row, CAT_PG_TYPE);
        SET(PG_TYPE_OID, oid_datum(d->oid));
        SET(PG_TYPE_TYPNAME, NAME(d->name));
        SET(PG_TYPE_TYPNAMESPACE, oid_datum(NSP_PG_CATALOG));
        SET(PG_TYPE_TYPOWNER, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_TYPE_TYPLEN, int16_datum(d->len));
        SET(PG_TYPE_TYPBYVAL, bool_datum(d->byval));
        SET(PG_TYPE_TYPTYPE, CH(d->type));
        SET(PG_TYPE_TYPCATEGORY, CH(d->category));
        SET(PG_TYPE_TYPISPREFERRED, bool_datum(d->preferred));
        SET(PG_TYPE_TYPISDEFINED, bool_datum(true));
        SET(PG_TYPE_TYPDELIM, CH(d->delim));
        SET(PG_TYPE_TYPRELID, oid_datum(0));
        SET(PG_TYPE_TYPSUBSCRIPT, oid_datum(strcmp(d->subscript, "array_subscript_handler") == 0       ? 6179
                                            : strcmp(d->subscript, "raw_array_subscript_handler") == 0 ? 6180
                                                                                                       : 0));
        SET(PG_TYPE_TYPELEM, oid_datum(d->elem));
        SET(PG_TYPE_TYPARRAY, oid_datum(d->array));
        SET(PG_TYPE_TYPINPUT, oid_datum(builtin_fn_named(d->in)));
        SET(PG_TYPE_TYPOUTPUT, oid_datum(builtin_fn_named(d->out)));
        SET(PG_TYPE_TYPRECEIVE, oid_datum(builtin_fn_named(d->recv)));
        SET(PG_TYPE_TYPSEND, oid_datum(builtin_fn_named(d->send)));
        SET(PG_TYPE_TYPMODIN, oid_datum(builtin_fn_named(d->modin)));
        SET(PG_TYPE_TYPMODOUT, oid_datum(builtin_fn_named(d->modout)));
        SET(PG_TYPE_TYPANALYZE, oid_datum(array ? 3816 : 0));
        SET(PG_TYPE_TYPALIGN, CH(d->align));
        SET(PG_TYPE_TYPSTORAGE, CH(d->storage));
        SET(PG_TYPE_TYPNOTNULL, bool_datum(false));
        SET(PG_TYPE_TYPBASETYPE, oid_datum(0));
        SET(PG_TYPE_TYPTYPMOD, int32_datum(-1));
        SET(PG_TYPE_TYPNDIMS, int32_datum(0));
        SET(PG_TYPE_TYPCOLLATION, oid_datum(d->collation));
        row_end(&row);
    }
    for (int i = 0; i < cat_table_count; i++) {
        const CatTable *t = &cat_tables[i];

        arena_reset(arena);
        type_insert_row_type(t->row_type, t->row_array_type, t->oid, 'r', t->name, NSP_PG_CATALOG, ROLE_BOOTSTRAP);
    }
}

/* ---- functions, operators, casts ---- */

/* IN arguments and then the columns of the result, as pg_proc lists them. */
static void
put_all_arguments(Row *r, const FnInfo *f)
{
    int n = f->nargs + f->nout;
    Datum *types = ARENA_ARRAY(arena, Datum, n), *modes = ARENA_ARRAY(arena, Datum, n);
    char **names = ARENA_ARRAY(arena, char *, n);

    for (int i = 0; i < n; i++) {
        bool in = i < f->nargs;

        types[i] = oid_datum(in ? f->args[i] : f->out_types[i - f->nargs]);
        modes[i] = CH(!in ? 'o' : f->variadic && i == f->nargs - 1 ? 'v' : 'i');
        names[i] = in ? (f->arg_names ? f->arg_names[i] : arena_strdup(arena, "")) : f->out_names[i - f->nargs];
    }
    CAT_SET(r->v, r->n, PG_PROC_PROALLARGTYPES, array_construct_1d(arena, OID_OID, types, NULL, n));
    CAT_SET(r->v, r->n, PG_PROC_PROARGMODES, array_construct_1d(arena, CHAR_OID, modes, NULL, n));
    CAT_SET(r->v, r->n, PG_PROC_PROARGNAMES, cat_text_array(arena, names, n));
}

static void
put_variadic_modes(Row *r, const FnInfo *f)
{
    Datum *types = ARENA_ARRAY(arena, Datum, f->nargs), *modes = ARENA_ARRAY(arena, Datum, f->nargs);

    for (int i = 0; i < f->nargs; i++) {
        types[i] = oid_datum(f->args[i]);
        modes[i] = CH(i == f->nargs - 1 ? 'v' : 'i');
    }
    CAT_SET(r->v, r->n, PG_PROC_PROALLARGTYPES, array_construct_1d(arena, OID_OID, types, NULL, f->nargs));
    CAT_SET(r->v, r->n, PG_PROC_PROARGMODES, array_construct_1d(arena, CHAR_OID, modes, NULL, f->nargs));
}

static void
put_functions(void)
{
    for (int i = 0; i < builtin_fn_count(); i++) {
        const FnInfo *f = builtin_fn_info(builtin_fn_at(i)->oid);
        Row row;

        row_begin(&row, CAT_PG_PROC);
        SET(PG_PROC_OID, oid_datum(f->oid));
        SET(PG_PROC_PRONAME, NAME(f->name));
        SET(PG_PROC_PRONAMESPACE, oid_datum(NSP_PG_CATALOG));
        SET(PG_PROC_PROOWNER, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_PROC_PROLANG, oid_datum(12));
        SET(PG_PROC_PROCOST, float4_datum((float)f->cost));
        SET(PG_PROC_PROROWS, float4_datum((float)f->rows));
        SET(PG_PROC_PROVARIADIC, oid_datum(f->variadic));
        SET(PG_PROC_PROSUPPORT, oid_datum(0));
        SET(PG_PROC_PROKIND, CH(f->kind));
        SET(PG_PROC_PROSECDEF, bool_datum(false));
        SET(PG_PROC_PROLEAKPROOF, bool_datum(f->leakproof));
        SET(PG_PROC_PROISSTRICT, bool_datum(f->kind != 'a' && f->strict));
        SET(PG_PROC_PRORETSET, bool_datum(f->retset));
        SET(PG_PROC_PROVOLATILE, CH(f->volatility));
        SET(PG_PROC_PROPARALLEL, CH(f->parallel));
        SET(PG_PROC_PRONARGS, int16_datum((int16_t)f->nargs));
        SET(PG_PROC_PRONARGDEFAULTS, int16_datum((int16_t)f->ndefaults));
        SET(PG_PROC_PRORETTYPE, oid_datum(f->ret));
        SET(PG_PROC_PROARGTYPES, cat_oidvector(arena, f->args, f->nargs));
        if (f->nout > 0)
            put_all_arguments(&row, f);
        else if (f->variadic)
            put_variadic_modes(&row, f);
        if (f->nout == 0 && f->arg_names)
            SET(PG_PROC_PROARGNAMES, cat_text_array(arena, f->arg_names, f->nargs));
        if (f->default_tree)
            SET(PG_PROC_PROARGDEFAULTS, TEXT(f->default_tree));
        SET(PG_PROC_PROSRC, TEXT(f->kind == 'a' ? "aggregate_dummy" : f->source));
        row_end(&row);
    }
}

/* Aggregates are implemented as a whole (AggImpl): there are no transition functions to name. */
static void
put_aggregates(void)
{
    for (int i = 0; i < builtin_fn_count(); i++) {
        const FnDef *d = builtin_fn_at(i);
        Row row;

        if (d->kind != FNKIND_AGG)
            continue;
        row_begin(&row, CAT_PG_AGGREGATE);
        for (int att = 1; att <= PG_AGGREGATE_AGGMTRANSSPACE; att++)
            SET(att, 0);
        SET(PG_AGGREGATE_AGGFNOID, oid_datum(d->oid));
        int direct = builtin_agg_direct(d->oid);
        SET(PG_AGGREGATE_AGGKIND, CH(direct < 0 ? 'n' : 'o'));
        SET(PG_AGGREGATE_AGGNUMDIRECTARGS, int16_datum((int16_t)MAX(direct, 0)));
        SET(PG_AGGREGATE_AGGFINALMODIFY, CH('r'));
        SET(PG_AGGREGATE_AGGMFINALMODIFY, CH('r'));
        SET(PG_AGGREGATE_AGGTRANSTYPE, oid_datum(INTERNAL_OID));
        row_end(&row);
    }
}

static void
put_operators(void)
{
    for (int i = 0; i < builtin_op_count(); i++) {
        const OpDef *d = builtin_op_at(i);
        const OpInfo *o = builtin_op_info(d->oid);
        Row row;

        row_begin(&row, CAT_PG_OPERATOR);
        SET(PG_OPERATOR_OID, oid_datum(o->oid));
        SET(PG_OPERATOR_OPRNAME, NAME(o->name));
        SET(PG_OPERATOR_OPRNAMESPACE, oid_datum(NSP_PG_CATALOG));
        SET(PG_OPERATOR_OPROWNER, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_OPERATOR_OPRKIND, CH(o->left ? 'b' : 'l'));
        SET(PG_OPERATOR_OPRCANMERGE, bool_datum(o->merges));
        SET(PG_OPERATOR_OPRCANHASH, bool_datum(o->hashes));
        SET(PG_OPERATOR_OPRLEFT, oid_datum(o->left));
        SET(PG_OPERATOR_OPRRIGHT, oid_datum(o->right));
        SET(PG_OPERATOR_OPRRESULT, oid_datum(o->ret));
        SET(PG_OPERATOR_OPRCOM, oid_datum(o->commutator));
        SET(PG_OPERATOR_OPRNEGATE, oid_datum(o->negator));
        SET(PG_OPERATOR_OPRCODE, oid_datum(o->fn));
        SET(PG_OPERATOR_OPRREST, oid_datum(builtin_fn_named(o->restrict_est)));
        SET(PG_OPERATOR_OPRJOIN, oid_datum(builtin_fn_named(o->join_est)));
        row_end(&row);
    }
    for (int i = 0; i < builtin_cast_count(); i++) {
        const CastDef *d = builtin_cast_at(i);
        Row row;

        row_begin(&row, CAT_PG_CAST);
        SET(PG_CAST_OID, oid_datum(next_pinned_oid++));
        SET(PG_CAST_CASTSOURCE, oid_datum(builtin_type_oid(d->source)));
        SET(PG_CAST_CASTTARGET, oid_datum(builtin_type_oid(d->target)));
        SET(PG_CAST_CASTFUNC, oid_datum(d->fn));
        SET(PG_CAST_CASTCONTEXT, CH(d->context));
        SET(PG_CAST_CASTMETHOD, CH(d->method));
        row_end(&row);
    }
}

static void
put_access_methods(void)
{
    Row row;

    for (int i = 0; i < builtin_am_count; i++) {
        const AmDef *d = &builtin_ams[i];

        row_begin(&row, CAT_PG_AM);
        SET(PG_AM_OID, oid_datum(d->oid));
        SET(PG_AM_AMNAME, NAME(d->name));
        SET(PG_AM_AMHANDLER, oid_datum(builtin_fn_named(d->handler)));
        SET(PG_AM_AMTYPE, CH(d->type));
        row_end(&row);
    }
    for (int i = 0; i < builtin_opfamily_count; i++) {
        const OpFamilyDef *d = &builtin_opfamilies[i];

        row_begin(&row, CAT_PG_OPFAMILY);
        SET(PG_OPFAMILY_OID, oid_datum(d->oid));
        SET(PG_OPFAMILY_OPFMETHOD, oid_datum(d->am));
        SET(PG_OPFAMILY_OPFNAME, NAME(d->name));
        SET(PG_OPFAMILY_OPFNAMESPACE, oid_datum(NSP_PG_CATALOG));
        SET(PG_OPFAMILY_OPFOWNER, oid_datum(ROLE_BOOTSTRAP));
        row_end(&row);
    }
    for (int i = 0; i < builtin_opclass_count; i++) {
        const OpClassDef *d = &builtin_opclasses[i];

        row_begin(&row, CAT_PG_OPCLASS);
        SET(PG_OPCLASS_OID, oid_datum(d->oid));
        SET(PG_OPCLASS_OPCMETHOD, oid_datum(d->am));
        SET(PG_OPCLASS_OPCNAME, NAME(d->name));
        SET(PG_OPCLASS_OPCNAMESPACE, oid_datum(NSP_PG_CATALOG));
        SET(PG_OPCLASS_OPCOWNER, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_OPCLASS_OPCFAMILY, oid_datum(d->family));
        SET(PG_OPCLASS_OPCINTYPE, oid_datum(builtin_type_oid(d->type)));
        SET(PG_OPCLASS_OPCDEFAULT, bool_datum(d->is_default));
        SET(PG_OPCLASS_OPCKEYTYPE, oid_datum(d->key_type));
        row_end(&row);
    }
    for (int i = 0; i < builtin_amop_count; i++) {
        const AmOpDef *d = &builtin_amops[i];

        row_begin(&row, CAT_PG_AMOP);
        SET(PG_AMOP_OID, oid_datum(d->oid));
        SET(PG_AMOP_AMOPFAMILY, oid_datum(d->family));
        SET(PG_AMOP_AMOPLEFTTYPE, oid_datum(d->left));
        SET(PG_AMOP_AMOPRIGHTTYPE, oid_datum(d->right));
        SET(PG_AMOP_AMOPSTRATEGY, int16_datum(d->strategy));
        SET(PG_AMOP_AMOPPURPOSE, CH(d->purpose));
        SET(PG_AMOP_AMOPOPR, oid_datum(d->op));
        SET(PG_AMOP_AMOPMETHOD, oid_datum(d->am));
        SET(PG_AMOP_AMOPSORTFAMILY, oid_datum(d->sort_family));
        row_end(&row);
    }
    for (int i = 0; i < builtin_amproc_count; i++) {
        const AmProcDef *d = &builtin_amprocs[i];

        row_begin(&row, CAT_PG_AMPROC);
        SET(PG_AMPROC_OID, oid_datum(d->oid));
        SET(PG_AMPROC_AMPROCFAMILY, oid_datum(d->family));
        SET(PG_AMPROC_AMPROCLEFTTYPE, oid_datum(d->left));
        SET(PG_AMPROC_AMPROCRIGHTTYPE, oid_datum(d->right));
        SET(PG_AMPROC_AMPROCNUM, int16_datum(d->number));
        SET(PG_AMPROC_AMPROC, oid_datum(builtin_fn_named(d->fn)));
        row_end(&row);
    }
}

/* ---- schemas, roles, languages, tablespaces, collations ---- */

static Datum
acl_of(Oid owner, char objtype, uint32_t for_public)
{
    AclItem items[2] = {{owner, owner, acl_all_bits(objtype)}, {ROLE_PUBLIC, owner, for_public}};

    return acl_make(arena, items, for_public ? 2 : 1);
}

static void
put_description(Oid cls, Oid obj, const char *text)
{
    Row row;
    bool shared = cat_table(cls)->shared;

    row_begin(&row, shared ? CAT_PG_SHDESCRIPTION : CAT_PG_DESCRIPTION);
    if (shared) {
        SET(PG_SHDESCRIPTION_OBJOID, oid_datum(obj));
        SET(PG_SHDESCRIPTION_CLASSOID, oid_datum(cls));
        SET(PG_SHDESCRIPTION_DESCRIPTION, TEXT(text));
    } else {
        SET(PG_DESCRIPTION_OBJOID, oid_datum(obj));
        SET(PG_DESCRIPTION_CLASSOID, oid_datum(cls));
        SET(PG_DESCRIPTION_OBJSUBID, int32_datum(0));
        SET(PG_DESCRIPTION_DESCRIPTION, TEXT(text));
    }
    row_end(&row);
}

static void
put_namespaces(void)
{
    for (int i = 0; i < builtin_namespace_count; i++) {
        const NamespaceDef *d = &builtin_namespaces[i];
        Oid owner = d->oid == NSP_PUBLIC ? 6171 : ROLE_BOOTSTRAP;
        Row row;

        row_begin(&row, CAT_PG_NAMESPACE);
        SET(PG_NAMESPACE_OID, oid_datum(d->oid));
        SET(PG_NAMESPACE_NSPNAME, NAME(d->name));
        SET(PG_NAMESPACE_NSPOWNER, oid_datum(owner));
        if (d->oid != NSP_PG_TOAST)
            SET(PG_NAMESPACE_NSPACL, acl_of(owner, 'n', ACL_USAGE));
        row_end(&row);
        put_description(CAT_PG_NAMESPACE, d->oid, d->description);
    }
}

static void
put_role(Oid oid, const char *name, bool super)
{
    Row row;

    row_begin(&row, CAT_PG_AUTHID);
    SET(PG_AUTHID_OID, oid_datum(oid));
    SET(PG_AUTHID_ROLNAME, NAME(name));
    SET(PG_AUTHID_ROLSUPER, bool_datum(super));
    SET(PG_AUTHID_ROLINHERIT, bool_datum(true));
    SET(PG_AUTHID_ROLCREATEROLE, bool_datum(super));
    SET(PG_AUTHID_ROLCREATEDB, bool_datum(super));
    SET(PG_AUTHID_ROLCANLOGIN, bool_datum(super));
    SET(PG_AUTHID_ROLREPLICATION, bool_datum(super));
    SET(PG_AUTHID_ROLBYPASSRLS, bool_datum(super));
    SET(PG_AUTHID_ROLCONNLIMIT, int32_datum(-1));
    row_end(&row);
}

static void
put_roles(const char *superuser)
{
    static const Oid monitor_has[] = {3374, 3375, 3377};
    Row row;

    put_role(ROLE_BOOTSTRAP, superuser, true);
    for (int i = 0; i < builtin_role_count; i++)
        put_role(builtin_roles[i].oid, builtin_roles[i].name, false);
    for (size_t i = 0; i < COUNT_OF(monitor_has); i++) {
        row_begin(&row, CAT_PG_AUTH_MEMBERS);
        SET(PG_AUTH_MEMBERS_ROLEID, oid_datum(monitor_has[i]));
        SET(PG_AUTH_MEMBERS_MEMBER, oid_datum(3373));
        SET(PG_AUTH_MEMBERS_GRANTOR, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_AUTH_MEMBERS_ADMIN_OPTION, bool_datum(false));
        row_end(&row);
    }
}

static void
put_languages(void)
{
    static const char *const descriptions[] = {"built-in functions", "dynamically-loaded C functions", "SQL-language functions"};

    for (int i = 0; i < builtin_language_count; i++) {
        const LanguageDef *d = &builtin_languages[i];
        Row row;

        row_begin(&row, CAT_PG_LANGUAGE);
        SET(PG_LANGUAGE_OID, oid_datum(d->oid));
        SET(PG_LANGUAGE_LANNAME, NAME(d->name));
        SET(PG_LANGUAGE_LANOWNER, oid_datum(ROLE_BOOTSTRAP));
        SET(PG_LANGUAGE_LANISPL, bool_datum(d->is_pl));
        SET(PG_LANGUAGE_LANPLTRUSTED, bool_datum(d->trusted));
        SET(PG_LANGUAGE_LANPLCALLFOID, oid_datum(0));
        SET(PG_LANGUAGE_LANINLINE, oid_datum(0));
        SET(PG_LANGUAGE_LANVALIDATOR, oid_datum(0));
        row_end(&row);
        if (i < (int)COUNT_OF(descriptions))
            put_description(CAT_PG_LANGUAGE, d->oid, descriptions[i]);
    }
}

static void
put_collation(Oid oid, const char *name, char provider, int encoding, const char *collate, const char *ctype, const char *icu)
{
    Row row;

    row_begin(&row, CAT_PG_COLLATION);
    SET(PG_COLLATION_OID, oid_datum(oid));
    SET(PG_COLLATION_COLLNAME, NAME(name));
    SET(PG_COLLATION_COLLNAMESPACE, oid_datum(NSP_PG_CATALOG));
    SET(PG_COLLATION_COLLOWNER, oid_datum(ROLE_BOOTSTRAP));
    SET(PG_COLLATION_COLLPROVIDER, CH(provider));
    SET(PG_COLLATION_COLLISDETERMINISTIC, bool_datum(true));
    SET(PG_COLLATION_COLLENCODING, int32_datum(encoding));
    if (provider == 'c') {
        SET(PG_COLLATION_COLLCOLLATE, TEXT(collate));
        SET(PG_COLLATION_COLLCTYPE, TEXT(ctype));
    }
    if (provider == 'i')
        SET(PG_COLLATION_COLLICULOCALE, TEXT(icu));
    row_end(&row);
}

static void
put_collations(void)
{
    static const struct { const char *name, *locale; } of_system[] = {
        {"C.utf8", "C.utf8"}, {"en_US.utf8", "en_US.utf8"}, {"en_US", "en_US.utf8"}, {"de_DE.utf8", "de_DE.utf8"}, {"de_DE", "de_DE.utf8"},
    };

    for (int i = 0; i < builtin_collation_count; i++) {
        const CollationDef *d = &builtin_collations[i];

        put_collation(d->oid, d->name, d->provider, d->encoding, d->collate, d->ctype, d->icu);
    }
    put_description(CAT_PG_COLLATION, COLLATION_DEFAULT, "database's default collation");
    put_description(CAT_PG_COLLATION, COLLATION_C, "standard C collation");
    put_description(CAT_PG_COLLATION, COLLATION_POSIX, "standard POSIX collation");
    put_collation(cat_system_oid(), "ucs_basic", 'c', 6, "C", "C", "");
    for (size_t i = 0; i < COUNT_OF(of_system); i++) {
        locale_t l = newlocale(LC_ALL_MASK, of_system[i].locale, (locale_t)0);

        if (l == (locale_t)0)
            continue;
        freelocale(l);
        put_collation(cat_system_oid(), of_system[i].name, 'c', 6, of_system[i].locale, of_system[i].locale, "");
    }
    put_collation(cat_system_oid(), "und-x-icu", 'i', -1, "", "", "und");
}

static void
put_tablespaces(void)
{
    for (int i = 0; i < builtin_tablespace_count; i++) {
        Row row;

        row_begin(&row, CAT_PG_TABLESPACE);
        SET(PG_TABLESPACE_OID, oid_datum(builtin_tablespaces[i].oid));
        SET(PG_TABLESPACE_SPCNAME, NAME(builtin_tablespaces[i].name));
        SET(PG_TABLESPACE_SPCOWNER, oid_datum(ROLE_BOOTSTRAP));
        row_end(&row);
    }
}

static void
put_am_descriptions(void)
{
    static const struct { Oid am; const char *text; } rows[] = {
        {2, "heap table access method"}, {403, "b-tree index access method"}, {405, "hash index access method"},
        {783, "GiST index access method"}, {2742, "GIN index access method"}, {3580, "block range index (BRIN) access method"},
        {4000, "SP-GiST index access method"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        put_description(CAT_PG_AM, rows[i].am, rows[i].text);
}

/* ---- relations ---- */

static bool
is_secret(Oid table)
{
    return table == CAT_PG_AUTHID || table == CAT_PG_STATISTIC || table == CAT_PG_STATISTIC_EXT_DATA || table == CAT_PG_SUBSCRIPTION ||
           table == CAT_PG_USER_MAPPING || table == CAT_PG_LARGEOBJECT;
}

static void
put_index_relation(const CatIndex *ix)
{
    const CatTable *t = ix->table;
    NewRelation x = {.oid = ix->oid, .nsp = NSP_PG_CATALOG, .owner = ROLE_BOOTSTRAP, .filenode = ix->oid, .tablespace = t->shared ? SPC_GLOBAL : 0,
                     .name = ix->name, .kind = 'i', .persistence = 'p', .natts = ix->nkeys, .shared = t->shared};
    Oid classes[CAT_INDEX_KEYS_MAX], collations[CAT_INDEX_KEYS_MAX];

    arena_reset(arena);
    rel_insert_class_row(&x);
    for (int i = 0; i < ix->nkeys; i++) {
        const CatColumn *c = &t->columns[ix->attnums[i] - 1];
        NewColumn nc = {.name = c->name, .type = c->type, .typmod = -1, .collation = cat_column_collation(c->type)};

        rel_insert_attribute_plain(ix->oid, i + 1, &nc);
        classes[i] = opclass_default(c->type, AM_BTREE);
        collations[i] = nc.collation;
    }
    index_insert_row(ix->oid, t->oid, ix->nkeys, ix->attnums, classes, collations, ix->unique, ix->primary);
    if (ix->unique)
        (void)constraint_insert_row(next_pinned_oid++, ix->name, NSP_PG_CATALOG, ix->primary ? 'p' : 'u', t->oid, ix->attnums, ix->nkeys, ix->oid);
}

static void
put_toast_relation(const CatTable *t)
{
    static const int16_t attnums[] = {1, 2};
    const Oid classes[] = {opclass_default(OID_OID, AM_BTREE), opclass_default(INT4_OID, AM_BTREE)}, collations[] = {0, 0};
    NewRelation x = {.oid = t->toast, .nsp = NSP_PG_TOAST, .owner = ROLE_BOOTSTRAP, .filenode = t->toast, .tablespace = t->shared ? SPC_GLOBAL : 0,
                     .name = t->toast_heap.name, .kind = 't', .persistence = 'p', .natts = 3, .shared = t->shared, .has_index = true};
    NewRelation ix = x;
    NewColumn cols[] = {{.name = "chunk_id", .type = OID_OID, .typmod = -1}, {.name = "chunk_seq", .type = INT4_OID, .typmod = -1}};

    arena_reset(arena);
    rel_insert_class_row(&x);
    toast_insert_attributes(t->toast);
    rel_insert_system_attributes(t->toast);
    ix.oid = ix.filenode = t->toast_index;
    ix.name = t->toast_btree.name;
    ix.kind = 'i';
    ix.natts = 2;
    ix.has_index = false;
    rel_insert_class_row(&ix);
    for (int i = 0; i < 2; i++)
        rel_insert_attribute_plain(t->toast_index, i + 1, &cols[i]);
    index_insert_row(t->toast_index, t->toast, 2, attnums, classes, collations, true, true);
}

static void
put_relations(void)
{
    for (int i = 0; i < cat_table_count; i++) {
        const CatTable *t = &cat_tables[i];
        NewRelation x = {.oid = t->oid, .nsp = NSP_PG_CATALOG, .row_type = t->row_type, .owner = ROLE_BOOTSTRAP, .filenode = t->oid,
                         .tablespace = t->shared ? SPC_GLOBAL : 0, .toast = t->toast, .name = t->name, .kind = 'r', .persistence = 'p',
                         .natts = t->natts, .shared = t->shared, .has_index = t->nindexes > 0};

        arena_reset(arena);
        x.acl = acl_of(ROLE_BOOTSTRAP, 'r', is_secret(t->oid) ? 0 : ACL_SELECT);
        rel_insert_class_row(&x);
        for (int k = 0; k < t->natts; k++) {
            const CatColumn *c = &t->columns[k];
            NewColumn nc = {.name = c->name, .type = c->type, .typmod = -1, .collation = cat_column_collation(c->type), .not_null = c->not_null,
                            .ndims = !builtin_type_def(c->type) || builtin_type_def(c->type)->category == 'A' ? 1 : 0};

            rel_insert_attribute_plain(t->oid, k + 1, &nc);
        }
        rel_insert_system_attributes(t->oid);
        for (int k = 0; k < t->nindexes; k++)
            put_index_relation(t->indexes[k]);
        if (t->toast)
            put_toast_relation(t);
    }
}

/* ---- databases ---- */

static char *locale_collate, *locale_ctype;
static int locale_encoding;

static void
put_database(Oid oid, const char *name, bool is_template, bool allow_connections, const char *description)
{
    Row row;

    row_begin(&row, CAT_PG_DATABASE);
    SET(PG_DATABASE_OID, oid_datum(oid));
    SET(PG_DATABASE_DATNAME, NAME(name));
    SET(PG_DATABASE_DATDBA, oid_datum(ROLE_BOOTSTRAP));
    SET(PG_DATABASE_ENCODING, int32_datum(locale_encoding));
    SET(PG_DATABASE_DATLOCPROVIDER, CH('c'));
    SET(PG_DATABASE_DATISTEMPLATE, bool_datum(is_template));
    SET(PG_DATABASE_DATALLOWCONN, bool_datum(allow_connections));
    SET(PG_DATABASE_DATCONNLIMIT, int32_datum(-1));
    SET(PG_DATABASE_DATFROZENXID, (Datum)XID_FIRST_NORMAL);
    SET(PG_DATABASE_DATMINMXID, (Datum)1);
    SET(PG_DATABASE_DATTABLESPACE, oid_datum(SPC_DEFAULT));
    SET(PG_DATABASE_DATCOLLATE, TEXT(locale_collate));
    SET(PG_DATABASE_DATCTYPE, TEXT(locale_ctype));
    if (is_template) {
        AclItem items[2] = {{ROLE_PUBLIC, ROLE_BOOTSTRAP, ACL_CONNECT}, {ROLE_BOOTSTRAP, ROLE_BOOTSTRAP, ACL_ALL_DATABASE}};

        SET(PG_DATABASE_DATACL, acl_make(arena, items, 2));
    }
    row_end(&row);
    put_description(CAT_PG_DATABASE, oid, description);
}

void
catalog_add_database(Oid oid, const char *name, bool is_template, bool allow_connections)
{
    const CatRow *r = cat_get_by_oid(CAT_PG_DATABASE, DB_TEMPLATE1);

    arena = arena_create(txn_arena(), "bootstrap");
    locale_collate = cat_name(txn_arena(), r, PG_DATABASE_DATCOLLATE);
    locale_ctype = cat_name(txn_arena(), r, PG_DATABASE_DATCTYPE);
    locale_encoding = datum_int32(cat_val(r, PG_DATABASE_ENCODING));
    put_database(oid, name, is_template, allow_connections, allow_connections ? "default administrative connection database" : "unmodifiable empty database");
}

/* ---- indexes ---- */

typedef struct BuildState { CatIndex *ix; CatScan *scan; } BuildState;

static bool
build_next(void *arg, Datum *values, bool *nulls, ItemPtr *tid, bool *alive)
{
    BuildState *s = arg;
    const CatRow *r = cat_scan_next(s->scan);

    if (!r)
        return false;
    for (int i = 0; i < s->ix->nkeys; i++) {
        values[i] = cat_val(r, s->ix->attnums[i]);
        nulls[i] = cat_null(r, s->ix->attnums[i]);
    }
    *tid = r->tid;
    *alive = true;
    return true;
}

static void
build_indexes(void)
{
    for (int i = 0; i < cat_table_count; i++)
        for (int k = 0; k < cat_tables[i].nindexes; k++) {
            BuildState s = {cat_tables[i].indexes[k], cat_scan_begin(cat_tables[i].oid, 0, 0, NULL)};
            uint64_t entries;

            btree_build(&s.ix->btree, &cat_tables[i].heap, build_next, &s, &entries);
            cat_scan_end(s.scan);
        }
}

void
catalog_bootstrap(const char *superuser, const char *collate, const char *ctype, int encoding)
{
    bool own_txn = !txn_in_progress();

    catalog_process_init();
    if (own_txn)
        txn_begin();
    arena = arena_create(txn_arena(), "bootstrap");
    catalog_bootstrapping = true;
    catalog_database = DB_TEMPLATE1;
    cat_tables_set_database(DB_TEMPLATE1, SPC_DEFAULT);
    create_files();
    put_types();
    put_functions();
    put_aggregates();
    put_operators();
    put_access_methods();
    put_am_descriptions();
    put_namespaces();
    put_roles(superuser);
    put_languages();
    put_collations();
    put_tablespaces();
    put_relations();
    locale_collate = arena_strdup(txn_arena(), collate);
    locale_ctype = arena_strdup(txn_arena(), ctype);
    locale_encoding = encoding;
    put_database(DB_TEMPLATE1, "template1", true, true, "default template for new databases");
    txn_command_increment();
    build_indexes();
    catalog_bootstrapping = false;
    inval_reset_all();
    if (own_txn)
        txn_commit();
}

/* The SQL of the system views and of information_schema, which initdb runs after the above. */
const char catalog_system_views_sql[] =
#include "core/catalog/system_views.inc"
#include "core/catalog/information_schema.inc"
    ;
