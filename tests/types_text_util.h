/*
 * Runs recorded cases (tests/types/<file>.tsv) against the string and array functions: each line has a
 * function's OID, its name, PostgreSQL's answer and the arguments with their types.
 */
#ifndef TESTS_TYPES_TEXT_UTIL_H
#define TESTS_TYPES_TEXT_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/types/fn.h"
#include "core/types/type.h"

#define FN(oid, name, ret, args, flags, scalar) extern Datum scalar(FnCtx *, const Datum *, bool *);
#define FNB(oid, name, ret, args, flags, scalar, batch)                                              \
    extern Datum scalar(FnCtx *, const Datum *, bool *);                                             \
    extern int batch(FnCtx *, int, const uint16_t *, const Vec *const *, Vec *);
#define SRF(oid, name, ret, args, outs, flags, set) extern bool set(FnCtx *, const Datum *, Datum *, bool *);
#define AGG(oid, name, ret, args, flags, agg) extern const AggImpl agg;
#include "core/catalog/fn_array.def"
#include "core/catalog/fn_text.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG

static const FnDef test_fns[] = {
#define FN(o, n, r, a, f, s) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_SCALAR, .scalar = s},
#define FNB(o, n, r, a, f, s, b)                                                                     \
    {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_SCALAR, .scalar = s, .batch = b},
#define SRF(o, n, r, a, u, f, s) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_SET, .set = s},
#define AGG(o, n, r, a, f, g) {.oid = o, .name = #n, .ret = r, .args = a, .flags = f, .kind = FNKIND_AGG, .agg = &g},
#include "core/catalog/fn_array.def"
#include "core/catalog/fn_text.def"
#undef FN
#undef FNB
#undef SRF
#undef AGG
};

static const FnDef *
test_find_fn(Oid oid)
{
    for (size_t i = 0; i < COUNT_OF(test_fns); i++)
        if (test_fns[i].oid == oid)
            return &test_fns[i];
    return NULL;
}

static Oid
test_type_oid(const char *name)
{
    static const struct {
        const char *name;
        Oid oid;
    } types[] = {{"bool", BOOL_OID}, {"bytea", BYTEA_OID}, {"name", NAME_OID}, {"int8", INT8_OID},
                 {"int2", INT2_OID}, {"int4", INT4_OID}, {"text", TEXT_OID}, {"bpchar", BPCHAR_OID},
                 {"varchar", VARCHAR_OID}, {"uuid", UUID_OID}, {"_int4", INT4_ARRAY_OID},
                 {"_text", TEXT_ARRAY_OID}, {"int2vector", INT2VECTOR_OID}, {"oid", OID_OID},
                 {"oidvector", OIDVECTOR_OID}, {"json", JSON_OID}, {"pg_lsn", PG_LSN_OID},
                 {"numeric", NUMERIC_OID}, {"bit", BIT_OID}, {"varbit", VARBIT_OID},
                 {"_varchar", VARCHAR_ARRAY_OID}, {"_name", NAME_ARRAY_OID}};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].oid;
    return 0;
}

/* Undoes \n, \t, \\ ... in place. */
static size_t
test_unescape(char *s)
{
    char *to = s;
    for (char *p = s; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            *to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p == 'b' ? '\b'
                    : *p == 'f' ? '\f' : *p == 'v' ? '\v' : *p;
        } else {
            *to++ = *p;
        }
    }
    *to = 0;
    return (size_t)(to - s);
}

static void
test_print(FnCtx *c, Oid type, Datum d, StrBuf *out)
{
    const TypeOps *ops = type_ops(type);
    ops->out(c, d, out);
}

/* The type a result prints as: polymorphic ones follow the arguments. */
static Oid
test_result_type(const FnDef *f, const Oid *types, int n)
{
    if (strncmp(f->ret, "any", 3) != 0)
        return test_type_oid(f->ret);
    bool array = strstr(f->ret, "array") != NULL;
    for (int i = 0; i < n; i++) {
        Oid elem = type_builtin_element(types[i]);
        if (elem)
            return array ? types[i] : elem;
    }
    return array ? type_builtin_array(types[0]) : types[0];
}

static UNUSED void
test_run_case(const FnDef *f, const Oid *types, char **texts, int n, Arena *a, StrBuf *out)
{
    Datum args[16] = {0};
    bool nulls[16] = {0}, isnull = false, any_null = false;
    FnCtx c = {.arena = a, .state_arena = a, .argnull = nulls, .nargs = n, .fn_oid = f->oid,
               .collation = COLLATION_C, .ret_typmod = -1, .arg_types = types};

    c.ret_type = test_result_type(f, types, n);
    for (int i = 0; i < n; i++) {
        nulls[i] = strcmp(texts[i], "\\N") == 0;
        any_null |= nulls[i];
        if (nulls[i])
            continue;
        size_t len = test_unescape(texts[i]);
        args[i] = type_ops(types[i])->in(&c, texts[i], len, type_builtin_element(types[i]), -1);
    }
    bool skip = (f->flags & FN_STRICT) && any_null;
    if (f->kind == FNKIND_SET) {
        Datum d;
        bool null = false, any = false;
        str_add_char(out, 'V');
        while (!skip && f->set(&c, args, &d, &null)) {
            if (any)
                str_add(out, "\xE2\x90\x9E");
            any = true;
            if (null)
                str_add(out, "<null>");
            else
                test_print(&c, c.ret_type, d, out);
        }
        if (!any)
            str_add(out, "<none>");
        return;
    }
    Datum d = skip ? 0 : f->scalar(&c, args, &isnull);
    if (skip || isnull) {
        str_add_char(out, 'N');
        return;
    }
    str_add_char(out, 'V');
    test_print(&c, c.ret_type, d, out);
}

/* The same with errors as text. */
static UNUSED void
test_guarded_case(const FnDef *f, const Oid *types, char **texts, int n, Arena *a, StrBuf *out)
{
    ERR_TRY {
        test_run_case(f, types, texts, n, a, out);
    }
    ERR_CATCH {
        const ErrReport *r = err_current();
        str_reset(out);
        str_printf(out, "E%s %s", sqlstate_text(r->sqlstate), r->message);
        err_clear();
    }
    ERR_END;
}

/* Returns the number of cases that differ; prints each. */
static UNUSED int
test_run_file(const char *source_file, const char *name, int *ran)
{
    char path[1024];
    static char line[1 << 20];
    int failures = 0, number = 0;

    snprintf(path, sizeof path, "%.*stypes/%s", (int)(strrchr(source_file, '/') + 1 - source_file),
             source_file, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    Arena *a = arena_create(arena_top(), "case");
    while (fgets(line, sizeof line, file)) {
        char *fields[40], *p = line;
        int count = 0;
        number++;
        line[strcspn(line, "\n")] = 0;
        if (line[0] == '#')
            continue;
        while (count < 40) {
            fields[count++] = p;
            char *tab = strchr(p, '\t');
            if (!tab)
                break;
            *tab = 0;
            p = tab + 1;
        }
        const FnDef *f = test_find_fn((Oid)atoi(fields[0]));
        if (!f) {
            printf("%s:%d: no function %s %s\n", name, number, fields[0], fields[1]);
            failures++;
            continue;
        }
        char *want = fields[2] + (fields[2][0] == 'S');
        test_unescape(want);
        Oid types[16];
        char *texts[16], shown[512] = "";
        int n = 0;
        for (int i = 3; i + 1 < count; i += 2) {
            types[n] = test_type_oid(fields[i]);
            texts[n++] = fields[i + 1];
            snprintf(shown + strlen(shown), sizeof shown - strlen(shown), " [%s]", fields[i + 1]);
        }
        StrBuf out;
        str_init(&out, a);
        test_guarded_case(f, types, texts, n, a, &out);
        ++*ran;
        if (out.len != strlen(want) || memcmp(out.data, want, out.len) != 0) {
            failures++;
            if (failures <= 200)
                printf("%s:%d: %s(%s )\n   want %s\n   got  %s\n", name, number, f->name, shown, want,
                       out.data);
        }
        arena_reset(a);
    }
    fclose(file);
    arena_destroy(a);
    return failures;
}

#endif
