/*
 * Properties of the string and array types on random values: key bytes order as cmp does, no key is
 * a prefix of another's, binary forms round-trip, damaged input raises and never crashes, kernels
 * agree with scalars, LIKE agrees with a naive matcher.
 * Usage: types_text_order_test [seed]
 */
#include "types_text_util.h"

#include <CUnit/Basic.h>

#include "core/types/collation.h"
#include "core/types/like.h"

#define COLLATION_TEST_ICU 20001u
#define COLLATION_TEST_LIBC 20002u
#define COLLATION_TEST_LOOSE 20003u

static uint64_t seed_state;

static uint32_t
rnd(uint32_t n)
{
    seed_state = seed_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed_state >> 33) % n;
}

static bool
lookup(Oid oid, CollationInfo *out)
{
    if (oid == COLLATION_TEST_ICU)
        *out = (CollationInfo){"en-x-icu", 'i', true, NULL, NULL, "en"};
    else if (oid == COLLATION_TEST_LOOSE)
        *out = (CollationInfo){"loose", 'i', false, NULL, NULL, "und-u-ks-level2"};
    else if (oid == COLLATION_TEST_LIBC)
        *out = (CollationInfo){"C.utf8", 'c', true, "C.utf8", "C.utf8", NULL};
    else
        return false;
    return true;
}

static FnCtx
context(Arena *a)
{
    static const bool no[8] = {0};
    static const Oid none[8] = {0};
    return (FnCtx){.arena = a, .state_arena = a, .argnull = no, .arg_types = none, .nargs = 2,
                   .collation = COLLATION_C, .ret_typmod = -1};
}

static size_t
random_text(char *to, size_t max)
{
    static const char *const pieces[] = {"a", "b", "B", "A", "z", " ", "é", "É", "ß", "語", "𝒳", "1", "-", "~"};
    size_t n = 0, count = rnd(8);
    for (size_t i = 0; i < count; i++) {
        const char *p = pieces[rnd(COUNT_OF(pieces))];
        if (n + strlen(p) > max)
            break;
        memcpy(to + n, p, strlen(p));
        n += strlen(p);
    }
    return n;
}

static Datum
random_value(Arena *a, Oid type)
{
    char buf[64];
    size_t n;
    FnCtx c = context(a);

    switch (type) {
    case BYTEA_OID:
        n = rnd(6);
        for (size_t i = 0; i < n; i++)
            buf[i] = (char)(rnd(3) == 0 ? 0 : rnd(3) == 0 ? 0xFF : rnd(4));
        return var_make(a, buf, n);
    case UUID_OID: {
        char *u = arena_alloc(a, 16);
        for (int i = 0; i < 16; i++)
            u[i] = (char)rnd(3);
        return ptr_datum(u);
    }
    case PG_LSN_OID:
        return (Datum)rnd(5) << (8 * rnd(8));
    case NAME_OID:
        n = random_text(buf, 60);
        buf[n] = 0;
        return type_ops(NAME_OID)->in(&c, buf, n, 0, -1);
    case OIDVECTOR_OID: {
        snprintf(buf, sizeof buf, "%u %u %u", rnd(3), rnd(3), rnd(3));
        buf[rnd(6)] = 0;
        return type_ops(OIDVECTOR_OID)->in(&c, buf, strlen(buf), 0, -1);
    }
    case VARBIT_OID:
        n = rnd(20);
        for (size_t i = 0; i < n; i++)
            buf[i] = (char)('0' + rnd(2));
        buf[n] = 0;
        return type_ops(VARBIT_OID)->in(&c, buf, n, 0, -1);
    case TEXT_ARRAY_OID:
    case INT4_ARRAY_OID: {
        Oid elem = type_builtin_element(type);
        Datum v[8] = {0};
        bool nulls[8] = {0};
        int ndim = 1 + (int)rnd(2), dims[2] = {(int)rnd(3), ndim == 2 ? 2 : 0};
        int lb[2] = {1 - (int)rnd(2), 1};
        int count = ndim == 2 ? dims[0] * 2 : dims[0];
        for (int i = 0; i < count; i++) {
            nulls[i] = rnd(4) == 0;
            v[i] = elem == INT4_OID ? int32_datum((int32_t)rnd(5) - 2) : random_value(a, TEXT_OID);
        }
        return array_construct(a, elem, ndim, dims, lb, v, nulls);
    }
    default:
        n = random_text(buf, sizeof buf);
        return var_make(a, buf, n);
    }
}

static int
sign(int x)
{
    return (x > 0) - (x < 0);
}

static void
check_order(Oid type, Oid collation, int rounds)
{
    Arena *a = arena_create(arena_top(), "order");
    const TypeOps *ops = type_ops(type);
    FnCtx c = context(a);
    int bad = 0;

    for (int i = 0; i < rounds; i++) {
        Datum x = random_value(a, type), y = rnd(10) == 0 ? x : random_value(a, type);
        StrBuf kx, ky, text;
        str_init(&kx, a);
        str_init(&ky, a);
        ops->key_encode(x, collation, &kx);
        ops->key_encode(y, collation, &ky);
        int want = sign(ops->cmp(x, y, collation));
        int got = sign(memcmp(kx.data, ky.data, MIN(kx.len, ky.len)));
        bad += got != want; /* equal up to the shorter one but of different value would be a prefix */
        bad += (want == 0) != (kx.len == ky.len && got == 0);
        bad += (want == 0) != ops->eq(x, y, collation);
        bad += sign(ops->cmp(y, x, collation)) != -want;
        if (want == 0)
            bad += ops->hash(x, collation) != ops->hash(y, collation);
        if (ops->key_skip)
            bad += ops->key_skip(kx.data, kx.data + kx.len) != kx.data + kx.len;
        if (ops->key_decode && collation_is_c(collation)) {
            const char *p = kx.data;
            Datum back = ops->key_decode(a, &p, kx.data + kx.len);
            bad += !ops->eq(back, x, collation) || p != kx.data + kx.len;
        }
        /* Text and binary forms give the value back. */
        Oid elem = type_builtin_element(type);
        str_init(&text, a);
        ops->out(&c, x, &text);
        bad += !ops->eq(ops->in(&c, text.data, text.len, elem, -1), x, collation);
        str_reset(&text);
        ops->send(&c, x, &text);
        bad += !ops->eq(ops->recv(&c, text.data, text.len, elem, -1), x, collation);
        if (i % 100 == 99)
            arena_reset(a);
    }
    if (bad)
        printf("type %u collation %u: %d violations\n", type, collation, bad);
    CU_ASSERT_EQUAL(bad, 0);
    arena_destroy(a);
}

static void
key_order_is_compare_order(void)
{
    static const Oid types[] = {TEXT_OID, VARCHAR_OID, BPCHAR_OID, NAME_OID, BYTEA_OID, UUID_OID,
                                PG_LSN_OID, OIDVECTOR_OID, TEXT_ARRAY_OID, INT4_ARRAY_OID,
                                VARBIT_OID};
    for (size_t i = 0; i < COUNT_OF(types); i++)
        check_order(types[i], COLLATION_C, 20000);
}

static void
key_order_is_compare_order_in_locales(void)
{
    static const Oid types[] = {TEXT_OID, BPCHAR_OID, TEXT_ARRAY_OID};
    static const Oid collations[] = {COLLATION_TEST_ICU, COLLATION_TEST_LIBC, COLLATION_TEST_LOOSE};
    collation_lookup_hook = lookup;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        for (size_t k = 0; k < COUNT_OF(collations); k++)
            check_order(types[i], collations[k], 3000);
}

static void
locales_order_and_map_case(void)
{
    Arena *a = arena_create(arena_top(), "locale");
    StrBuf s;

    collation_lookup_hook = lookup;
    CU_ASSERT(collation_compare(COLLATION_C, "a", 1, "B", 1) > 0);
    CU_ASSERT(collation_compare(COLLATION_TEST_ICU, "a", 1, "B", 1) < 0);
    CU_ASSERT(collation_compare(COLLATION_TEST_ICU, "a", 1, "A", 1) != 0);
    CU_ASSERT(collation_compare(COLLATION_TEST_LOOSE, "a", 1, "A", 1) == 0);
    CU_ASSERT(collation_is_c(COLLATION_TEST_LIBC));
    CU_ASSERT(!collation_ctype_is_c(COLLATION_TEST_LIBC));
    str_init(&s, a);
    collation_upper(COLLATION_TEST_ICU, "straße é", strlen("straße é"), &s);
    CU_ASSERT_STRING_EQUAL(s.data, "STRASSE É");
    str_reset(&s);
    collation_upper(COLLATION_TEST_LIBC, "aé語", strlen("aé語"), &s);
    CU_ASSERT_STRING_EQUAL(s.data, "AÉ語");
    str_reset(&s);
    collation_upper(COLLATION_C, "aé語", strlen("aé語"), &s);
    CU_ASSERT_STRING_EQUAL(s.data, "Aé語");
    str_reset(&s);
    collation_initcap(COLLATION_TEST_LIBC, "élan VITAL x2y", strlen("élan VITAL x2y"), &s);
    CU_ASSERT_STRING_EQUAL(s.data, "Élan Vital X2y");
    arena_destroy(a);
}

/* ---- damaged input ---- */

static void
feed(const TypeOps *ops, Arena *a, const char *bytes, size_t n, Oid elem, bool binary, int *raised)
{
    FnCtx c = context(a);
    ERR_TRY {
        Datum d = binary ? ops->recv(&c, bytes, n, elem, -1) : ops->in(&c, bytes, n, elem, -1);
        StrBuf s;
        str_init(&s, a);
        ops->out(&c, d, &s);
        ops->send(&c, d, &s);
    }
    ERR_CATCH {
        ++*raised;
        err_clear();
    }
    ERR_END;
}

static void
damaged_input_raises(void)
{
    static const Oid types[] = {TEXT_OID, BPCHAR_OID, NAME_OID, BYTEA_OID, UUID_OID, JSON_OID, PG_LSN_OID,
                                TEXT_ARRAY_OID, INT4_ARRAY_OID, OIDVECTOR_OID, INT2VECTOR_OID, BIT_OID, VARBIT_OID};
    static const char alphabet[] = "{}[],:=\"\\ 019afx-\n\xC3\xE8\xF0\x80";
    Arena *a = arena_create(arena_top(), "damage");
    int raised = 0;

    for (int i = 0; i < 60000; i++) {
        Oid type = types[rnd(COUNT_OF(types))], elem = type_builtin_element(type);
        char buf[80];
        size_t n = rnd(30);
        bool binary = rnd(2) == 0;
        if (binary && elem && rnd(2) == 0) { /* a good array with some bytes changed */
            StrBuf s;
            FnCtx c = context(a);
            str_init(&s, a);
            type_ops(type)->send(&c, random_value(a, type), &s);
            n = MIN(s.len, sizeof buf - 1);
            memcpy(buf, s.data, n);
            for (uint32_t k = rnd(3); k > 0 && n > 0; k--)
                buf[rnd((uint32_t)n)] = (char)rnd(256);
        } else {
            for (size_t k = 0; k < n; k++)
                buf[k] = binary ? (char)(rnd(2) ? rnd(4) : rnd(256)) : alphabet[rnd(sizeof alphabet - 1)];
        }
        buf[n] = 0;
        if (!binary) { /* text input comes checked from the wire */
            n = utf8_valid_prefix(buf, n);
            buf[n] = 0;
        }
        feed(type_ops(type), a, buf, n, elem, binary, &raised);
        if (i % 64 == 63)
            arena_reset(a);
    }
    CU_ASSERT(raised > 1000);
    arena_destroy(a);
}

static void
invalid_utf8_is_named(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {{"a\xC3(", 3, "0xc3 0x28"}, {"\xFF", 1, "0xff"}, {"\xE2\x28\xA1", 3, "0xe2 0x28 0xa1"},
                 {"ab\0c", 4, "0x00"}, {"\xC0\x80", 2, "0xc0 0x80"}, {"\xED\xA0\x80", 3, "0xed 0xa0 0x80"},
                 {"\xF5\x80\x80\x80", 4, "0xf5 0x80 0x80 0x80"}, {"\xE8\xAA", 2, "0xe8 0xaa"}};
    Arena *a = arena_create(arena_top(), "utf8");
    FnCtx c = context(a);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        volatile bool raised = false;
        ERR_TRY {
            type_ops(TEXT_OID)->recv(&c, cases[i].bytes, cases[i].n, 0, -1);
        }
        ERR_CATCH {
            char want[128];
            snprintf(want, sizeof want, "invalid byte sequence for encoding \"UTF8\": %s", cases[i].message);
            CU_ASSERT_STRING_EQUAL(err_current()->message, want);
            CU_ASSERT_STRING_EQUAL(sqlstate_text(err_current()->sqlstate), "22021");
            raised = true;
            err_clear();
        }
        ERR_END;
        CU_ASSERT(raised);
    }
    arena_destroy(a);
}

/* ---- LIKE and kernels ---- */

static bool
naive_like(const char *s, const char *se, const char *p, const char *pe)
{
    if (p == pe)
        return s == se;
    if (*p == '%')
        return naive_like(s, se, p + 1, pe) || (s < se && naive_like(s + utf8_char_bytes((unsigned char)*s), se, p, pe));
    if (s == se)
        return false;
    if (*p == '_')
        return naive_like(s + utf8_char_bytes((unsigned char)*s), se, p + 1, pe);
    if (*p == '\\')
        p++;
    return *s == *p && naive_like(s + 1, se, p + 1, pe);
}

static void
like_agrees_with_naive_matcher(void)
{
    static const char *const bits[] = {"a", "b", "%", "_", "\\a", "\\%", "é", "語"};
    static const char *const chars[] = {"a", "b", "%", "é", "語"};
    Arena *a = arena_create(arena_top(), "like");
    int bad = 0;

    for (int i = 0; i < 100000; i++) {
        char s[64] = "", p[64] = "";
        for (uint32_t k = rnd(9); k > 0; k--)
            strcat(s, chars[rnd(COUNT_OF(chars))]);
        for (uint32_t k = rnd(7); k > 0; k--)
            strcat(p, bits[rnd(COUNT_OF(bits))]);
        LikePattern compiled;
        like_compile(a, (Span){p, strlen(p)}, &compiled);
        bool want = naive_like(s, s + strlen(s), p, p + strlen(p));
        if (like_match(&compiled, (Span){s, strlen(s)}) != want) {
            printf("'%s' LIKE '%s' should be %d\n", s, p, want);
            bad++;
        }
        if (i % 1000 == 999)
            arena_reset(a);
    }
    CU_ASSERT_EQUAL(bad, 0);
    arena_destroy(a);
}

static void
kernels_agree_with_scalars(void)
{
    Arena *a = arena_create(arena_top(), "kernels");

    for (size_t f = 0; f < COUNT_OF(test_fns); f++) {
        const FnDef *fn = &test_fns[f];
        if (!fn->batch || strcmp(fn->args, "text text") != 0)
            continue;
        for (int shape = 0; shape < 4; shape++) {
            Vec *l = vec_new(a), *r = vec_new(a), *out = vec_new(a);
            const Vec *args[2] = {l, r};
            uint16_t sel[BATCH_ROWS];
            int n = 0, bad = 0;
            FnCtx c = context(a);
            l->is_const = shape == 1;
            r->is_const = shape == 2;
            for (int i = 0; i < 500; i++) {
                l->v[i] = random_value(a, TEXT_OID);
                r->v[i] = rnd(3) == 0 ? l->v[i] : random_value(a, TEXT_OID);
                if (shape != 3 || rnd(2))
                    sel[n++] = (uint16_t)i;
            }
            CU_ASSERT_EQUAL(fn->batch(&c, n, sel, args, out), -1);
            for (int k = 0; k < n; k++) {
                Datum pair[2] = {vec_get(l, sel[k]), vec_get(r, sel[k])};
                bool isnull = false;
                bad += out->v[sel[k]] != fn->scalar(&c, pair, &isnull);
            }
            if (bad)
                printf("%s, shape %d: %d rows differ\n", fn->name, shape, bad);
            CU_ASSERT_EQUAL(bad, 0);
        }
        arena_reset(a);
    }
    arena_destroy(a);
}

/* ---- aggregates ---- */

static void
check_agg(Oid oid, Oid type, const char *const *values, int n, const char *sep, const char *want)
{
    Arena *a = arena_create(arena_top(), "agg");
    const FnDef *f = test_find_fn(oid);
    Oid types[2] = {type, TEXT_OID}, elem = type_builtin_element(type);
    AggCtx c = {.fn = context(a), .arena = a};
    StrBuf out;
    bool isnull = false;

    c.fn.arg_types = types;
    void *state = arena_alloc0(a, f->agg->state_bytes), *second = arena_alloc0(a, f->agg->state_bytes);
    for (int i = 0; i < n; i++) {
        bool nulls[2] = {values[i] == NULL, sep == NULL};
        Datum args[2] = {0, sep ? var_from_cstring(a, sep) : 0};
        if (values[i])
            args[0] = type_ops(type)->in(&c.fn, values[i], strlen(values[i]), elem, -1);
        else if (f->agg->strict)
            continue;
        /* With a merge, the second half of the rows goes to another state first. */
        f->agg->step(&c, f->agg->merge && i >= n / 2 ? second : state, args, nulls);
    }
    if (f->agg->merge)
        f->agg->merge(&c, state, second);
    Datum d = f->agg->final(&c, state, &isnull);
    str_init(&out, a);
    Oid ret = strcmp(f->ret, "anyarray") == 0 ? (elem ? type : type_builtin_array(type)) : type;
    if (isnull)
        str_add(&out, "NULL");
    else
        type_ops(ret)->out(&c.fn, d, &out);
    CU_ASSERT_STRING_EQUAL(out.data, want);
    if (strcmp(out.data, want) != 0)
        printf("aggregate %u: want %s got %s\n", oid, want, out.data);
    arena_destroy(a);
}

static void
aggregates_answer_as_postgresql(void)
{
    const char *words[] = {"b", NULL, "a", "", "ccc"};
    const char *padded[] = {"b  ", "a ", "b", "a"};
    const char *rows[] = {"{1,2}", "{3,4}"};
    const char *arrays[] = {"{1,2}", "{0,9,9}", "{1,2,0}", "{NULL}"};

    check_agg(3538, TEXT_OID, words, 5, ", ", "b, a, , ccc");
    check_agg(3538, TEXT_OID, words, 5, NULL, "baccc");
    check_agg(3538, TEXT_OID, words, 0, ",", "NULL");
    check_agg(2129, TEXT_OID, words, 5, NULL, "ccc");
    check_agg(2145, TEXT_OID, words, 5, NULL, "");
    check_agg(2145, TEXT_OID, words, 0, NULL, "NULL");
    check_agg(2244, BPCHAR_OID, padded, 4, NULL, "b  ");
    check_agg(2245, BPCHAR_OID, padded, 4, NULL, "a ");
    check_agg(2335, TEXT_OID, words, 5, NULL, "{b,NULL,a,\"\",ccc}");
    check_agg(2335, TEXT_OID, words, 0, NULL, "NULL");
    check_agg(4053, INT4_ARRAY_OID, rows, 2, NULL, "{{1,2},{3,4}}");
    check_agg(2050, INT4_ARRAY_OID, arrays, 4, NULL, "{NULL}");
    check_agg(2051, INT4_ARRAY_OID, arrays, 4, NULL, "{0,9,9}");
}

/* ---- subscripts ---- */

static void
subscripts_answer_as_postgresql(void)
{
    Arena *a = arena_create(arena_top(), "subscripts");
    FnCtx c = context(a);
    const TypeOps *ops = type_ops(INT4_ARRAY_OID);
    StrBuf s;
    bool isnull, yes[2] = {true, true}, no[2] = {false, false};
#define ARRAY(text) ops->in(&c, text, strlen(text), INT4_OID, -1)
#define SHOWS(d, want) (str_init(&s, a), ops->out(&c, d, &s), strcmp(s.data, want) == 0)

    Datum v = ARRAY("[2:4]={7,NULL,9}"), m = ARRAY("{{1,2,3},{4,5,6}}");
    CU_ASSERT_EQUAL(datum_int32(array_get_element(a, v, 1, (int[]){4}, &isnull)), 9);
    CU_ASSERT(!isnull);
    array_get_element(a, v, 1, (int[]){3}, &isnull);
    CU_ASSERT(isnull);
    array_get_element(a, v, 1, (int[]){5}, &isnull);
    CU_ASSERT(isnull);
    CU_ASSERT_EQUAL(datum_int32(array_get_element(a, m, 2, (int[]){2, 3}, &isnull)), 6);
    CU_ASSERT(SHOWS(array_get_slice(a, v, 1, (int[]){3}, (int[]){9}, yes, yes, &isnull), "{NULL,9}"));
    CU_ASSERT(SHOWS(array_get_slice(a, v, 1, (int[]){0}, (int[]){3}, no, yes, &isnull), "{7,NULL}"));
    CU_ASSERT(SHOWS(array_get_slice(a, v, 1, (int[]){8}, (int[]){9}, yes, yes, &isnull), "{}"));
    CU_ASSERT(SHOWS(array_get_slice(a, m, 2, (int[]){1, 2}, (int[]){2, 3}, yes, yes, &isnull), "{{2,3},{5,6}}"));
    CU_ASSERT(SHOWS(array_get_slice(a, m, 1, (int[]){2}, (int[]){2}, yes, yes, &isnull), "{{4,5,6}}"));
    CU_ASSERT(SHOWS(array_set_element(a, v, false, INT4_OID, 1, (int[]){6}, int32_datum(1), false),
                    "[2:6]={7,NULL,9,NULL,1}"));
    CU_ASSERT(SHOWS(array_set_element(a, v, false, INT4_OID, 1, (int[]){0}, int32_datum(1), false),
                    "[0:4]={1,NULL,7,NULL,9}"));
    CU_ASSERT(SHOWS(array_set_element(a, 0, true, INT4_OID, 1, (int[]){5}, int32_datum(1), false), "[5:5]={1}"));
    CU_ASSERT(SHOWS(array_set_element(a, m, false, INT4_OID, 2, (int[]){1, 1}, 0, true),
                    "{{NULL,2,3},{4,5,6}}"));
    CU_ASSERT(SHOWS(array_set_slice(a, v, false, INT4_OID, 1, (int[]){4}, (int[]){5}, yes, yes, ARRAY("{1,2}")),
                    "[2:5]={7,NULL,1,2}"));
    CU_ASSERT(SHOWS(array_set_slice(a, m, false, INT4_OID, 2, (int[]){1, 2}, (int[]){2, 2}, yes, yes,
                                    ARRAY("{8,9,10}")), "{{1,8,3},{4,9,6}}"));
    arena_destroy(a);
}

int
main(int argc, char **argv)
{
    unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 20261120;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("seed %lu\n", seed);
    seed_state = seed;
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_text_order", NULL, NULL);
    CU_ADD_TEST(s, key_order_is_compare_order);
    CU_ADD_TEST(s, key_order_is_compare_order_in_locales);
    CU_ADD_TEST(s, locales_order_and_map_case);
    CU_ADD_TEST(s, damaged_input_raises);
    CU_ADD_TEST(s, invalid_utf8_is_named);
    CU_ADD_TEST(s, like_agrees_with_naive_matcher);
    CU_ADD_TEST(s, kernels_agree_with_scalars);
    CU_ADD_TEST(s, aggregates_answer_as_postgresql);
    CU_ADD_TEST(s, subscripts_answer_as_postgresql);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    int failures = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures > 0;
}
