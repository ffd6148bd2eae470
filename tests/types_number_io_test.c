/*
 * Values of the number types read, print, travel in binary form, sort as keys and aggregate as in
 * PostgreSQL 15; kernels give what the scalar functions give.
 */
#include "types_number_util.h"

#include <CUnit/Basic.h>

#ifndef NUMBER_IO_FILE
#define NUMBER_IO_FILE "types_number_io_cases.inc"
#endif

static Arena *arena;
static uint64_t random_state = 88172645463325252u;

static uint64_t
next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- text and binary ---- */

typedef struct IoCase {
    const char *type, *input, *output, *binary;
} IoCase;

static const IoCase io_cases[] = {
#define IO(type, input, output, binary) {type, input, output, binary},
#include NUMBER_IO_FILE
#undef IO
};

static FnCtx
context(void)
{
    return (FnCtx){.arena = arena, .state_arena = arena, .ret_typmod = -1};
}

static bool
read_value(const TypeOps *ops, const char *text, Datum *out, const char **error)
{
    FnCtx c = context();
    volatile bool ok = false;
    ERR_TRY
    {
        *out = ops->in(&c, text, strlen(text), 0, -1);
        ok = true;
    }
    ERR_CATCH
    {
        *error = arena_printf(arena, "!%s %s", sqlstate_text(err_current()->sqlstate), err_current()->message);
        err_clear();
    }
    ERR_END;
    return ok;
}

static void
values_read_print_and_travel_as_in_postgresql(void)
{
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(io_cases); i++) {
        const IoCase *k = &io_cases[i];
        const TypeOps *ops = type_ops(number_type(k->type, strlen(k->type)));
        FnCtx c = context();
        Datum d = 0, back;
        const char *got = NULL;
        StrBuf text, binary;
        str_init(&text, arena);
        str_init(&binary, arena);
        if (read_value(ops, k->input, &d, &got)) {
            ops->out(&c, d, &text);
            got = text.data;
        }
        if (strcmp(got, k->output) != 0 && wrong++ < 50)
            printf("%s '%s': got %s, PostgreSQL %s\n", k->type, k->input, got, k->output);
        if (k->binary[0] != '\0' && *got != '!') {
            char *hex = arena_alloc(arena, 2 * 500);
            ops->send(&c, d, &binary);
            for (size_t b = 0; b < binary.len; b++)
                sprintf(hex + 2 * b, "%02x", (unsigned char)binary.data[b]);
            if (strcmp(hex, k->binary) != 0 && wrong++ < 50)
                printf("%s '%s': sent %s, PostgreSQL %s\n", k->type, k->input, hex, k->binary);
            back = ops->recv(&c, binary.data, binary.len, 0, -1);
            StrBuf again;
            str_init(&again, arena);
            ops->out(&c, back, &again);
            if (strcmp(again.data, text.data) != 0 && wrong++ < 50)
                printf("%s '%s': received %s\n", k->type, k->input, again.data);
        }
        arena_reset(arena);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(COUNT_OF(io_cases) > 500);
}

/* Every float4 in steps and many random float8 read back as themselves from the shortest text. */
static void
shortest_floats_read_back(void)
{
    char text[64];
    int wrong = 0;
    for (uint64_t u = 0; u < UINT32_MAX; u += 4099) {
        float f = datum_float4((Datum)u);
        if (isnan(f))
            continue;
        text[float4_to_text(f, text)] = '\0';
        wrong += strtof(text, NULL) != f;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (int i = 0; i < 1000000; i++) {
        double d = datum_float8(next_random());
        if (isnan(d))
            continue;
        text[float8_to_text(d, text)] = '\0';
        wrong += strtod(text, NULL) != d;
        wrong += strlen(text) > 24;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static bool
refuses(const TypeOps *ops, const char *bytes, size_t len)
{
    FnCtx c = context();
    volatile bool raised = false;
    ERR_TRY
    {
        ops->recv(&c, bytes, len, 0, -1);
    }
    ERR_CATCH
    {
        raised = true;
        err_clear();
    }
    ERR_END;
    return raised;
}

static void
wrong_binary_lengths_are_refused(void)
{
    static const Oid types[] = {BOOL_OID, INT2_OID, INT4_OID, INT8_OID, FLOAT4_OID, FLOAT8_OID, NUMERIC_OID, OID_OID,
                                XID_OID, XID8_OID, CID_OID, TID_OID, CHAR_OID};
    static const char zeros[24];
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const TypeOps *ops = type_ops(types[i]);
        size_t right = types[i] == TID_OID ? 6 : types[i] == NUMERIC_OID ? 8 : (size_t)ops->len;
        for (size_t len = 0; len < sizeof zeros; len++)
            CU_ASSERT_EQUAL(refuses(ops, zeros, len), len != right);
    }
    arena_reset(arena);
}

static void
check_float_text(int digits, Oid type, double v, const char *want)
{
    char text[64];
    extra_float_digits = digits;
    text[type == FLOAT8_OID ? float8_to_text(v, text) : float4_to_text((float)v, text)] = '\0';
    extra_float_digits = 1;
    CU_ASSERT_STRING_EQUAL(text, want);
}

static void
extra_float_digits_shortens(void)
{
    check_float_text(0, FLOAT8_OID, 0.1 + 0.2, "0.3");
    check_float_text(0, FLOAT8_OID, 1.0 / 3, "0.333333333333333");
    check_float_text(0, FLOAT8_OID, 1e15, "1e+15");
    check_float_text(0, FLOAT4_OID, 1.0 / 3, "0.333333");
    check_float_text(-3, FLOAT8_OID, 1.0 / 3, "0.333333333333");
    check_float_text(-3, FLOAT4_OID, 1.0 / 3, "0.333");
    check_float_text(-15, FLOAT8_OID, 1.0 / 3, "0.3");
    check_float_text(-15, FLOAT4_OID, 1.0 / 3, "0.3");
    check_float_text(3, FLOAT8_OID, 0.1 + 0.2, "0.30000000000000004");
}

/* The series PostgreSQL 15 gives after setseed. */
static void
setseed_gives_the_known_series(void)
{
    static const char *const none[1] = {NULL};
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1599, (const char *[]){"0.5"}), "");
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1598, none), "0.9851677175347999");
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1598, none), "0.825301858027981");
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1599, (const char *[]){"-1"}), "");
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1598, none), "0.725656831544149");
    CU_ASSERT_STRING_EQUAL(number_eval(arena, 1599, (const char *[]){"2"}),
                           "!22023 setseed parameter 2 is out of allowed range [-1,1]");
    arena_reset(arena);
}

/* ---- keys, order, hashes ---- */

static void
check_pair(const TypeOps *ops, Datum a, Datum b)
{
    StrBuf ka, kb;
    str_init(&ka, arena);
    str_init(&kb, arena);
    ops->key_encode(a, 0, &ka);
    ops->key_encode(b, 0, &kb);
    int want = ops->cmp(a, b, 0);
    int got = memcmp(ka.data, kb.data, MIN(ka.len, kb.len));
    if (want == 0) {
        CU_ASSERT(ka.len == kb.len && got == 0);
        CU_ASSERT_EQUAL(ops->hash(a, 0), ops->hash(b, 0));
    } else {
        CU_ASSERT(got != 0 && (got < 0) == (want < 0)); /* no prefix of the other, ordered alike */
    }
    CU_ASSERT_EQUAL(ops->eq(a, b, 0), want == 0);
    CU_ASSERT(ops->cmp(b, a, 0) == -want || (ops->cmp(b, a, 0) < 0) == (want > 0));
    if (ops->key_decode) {
        const char *p = ka.data;
        CU_ASSERT_EQUAL(ops->key_decode(arena, &p, ka.data + ka.len), a);
        CU_ASSERT_PTR_EQUAL(p, ka.data + ka.len);
        CU_ASSERT_PTR_EQUAL(ops->key_skip(ka.data, ka.data + ka.len), ka.data + ka.len);
    }
}

static void
keys_order_as_values_do(void)
{
    static const char *const names[] = {"bool", "int2", "int4", "int8", "oid", "xid8", "tid", "char", "float4", "float8", "numeric"};
    for (size_t t = 0; t < COUNT_OF(names); t++) {
        const TypeOps *ops = type_ops(number_type(names[t], strlen(names[t])));
        Datum values[2000];
        int n = 0;
        for (size_t i = 0; i < COUNT_OF(io_cases) && n < 2000; i++) {
            const char *error;
            if (strcmp(io_cases[i].type, names[t]) == 0 && read_value(ops, io_cases[i].input, &values[n], &error))
                n++;
        }
        CU_ASSERT(n > 1);
        for (int i = 0; i < n; i++) {
            check_pair(ops, values[i], values[i]);
            for (int j = 0; j < 40; j++)
                check_pair(ops, values[i], values[next_random() % (unsigned)n]);
        }
        arena_reset(arena);
    }
}

static void
equal_numerics_of_any_scale_share_key_and_hash(void)
{
    static const char *const same[][4] = {
        {"1", "1.0", "1.00000000000000000000", "1e0"},
        {"100000000000000000000", "100000000000000000000.000", "1e20", "1000e17"},
        {"0", "0.000", "-0", "0e5"},
        {"-123456789.5", "-123456789.50", "-123456789.500000000000000000000000", "-1234567895e-1"},
        {"12345678901234567890.12345678901234567890", "12345678901234567890.123456789012345678900000", "1234567890123456789012345678901234567890e-20",
         "12345678901234567890.1234567890123456789"},
        {"1e-30", "0.0000000000000000000000000000010", "10e-31", "0.1e-29"},
    };
    const TypeOps *ops = &type_ops_numeric;
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        Datum d[4];
        const char *error;
        for (int j = 0; j < 4; j++) {
            CU_ASSERT_FATAL(read_value(ops, same[i][j], &d[j], &error));
            CU_ASSERT_EQUAL(ops->cmp(d[0], d[j], 0), 0);
            check_pair(ops, d[0], d[j]);
        }
    }
    arena_reset(arena);
}

/* ---- aggregates ---- */

typedef struct AggCase {
    Oid fn;
    const char *result, *values;
} AggCase;

static const AggCase agg_cases[] = {
#define AGG_CASE(fn, result, values) {fn, result, values},
#include NUMBER_IO_FILE
#undef AGG_CASE
};

#define AGG_ROWS_MAX 40
typedef struct AggInput {
    Vec cols[2];
    int n, nargs;
    Oid types[2];
} AggInput;

static void
parse_rows(const AggCase *k, AggInput *in)
{
    NumberCall call;
    bool any = strcmp(number_fn(k->fn)->args, "any") == 0;
    if (any) {
        in->nargs = 1;
        in->types[0] = BOOL_OID;
    } else {
        number_call_init(&call, arena, k->fn);
        in->nargs = call.c.nargs;
        memcpy(in->types, call.types, sizeof in->types);
    }
    for (int i = 0; i < in->nargs; i++)
        vec_init(&in->cols[i], arena);
    char *text = arena_strdup(arena, k->values), *save = NULL;
    int at = 0;
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save), at++) {
        Vec *v = &in->cols[at % in->nargs];
        int row = at / in->nargs;
        const char *error = "?";
        if (strcmp(w, "N") == 0)
            vec_set_null(v, row);
        else if (!read_value(type_ops(in->types[at % in->nargs]), w, &v->v[row], &error))
            printf("%s: %s\n", w, error);
    }
    in->n = at / in->nargs;
}

/* One way of running an aggregate: 0 row by row, 1 step_many, 2 step_scatter, 3 two states merged. */
static const char *
run_aggregate(const AggCase *k, const AggInput *in, int way)
{
    const AggImpl *impl = number_fn(k->fn)->agg;
    Oid ret = number_type(number_fn(k->fn)->ret, strlen(number_fn(k->fn)->ret));
    Arena *scratch = arena_create(arena, "scratch"), *groups = arena_create(arena, "groups");
    AggCtx c = {.fn = {.arena = scratch, .state_arena = groups, .ret_type = ret, .arg_types = in->types, .nargs = in->nargs}, .arena = groups};
    char *state[2];
    for (int i = 0; i < 2; i++) {
        state[i] = arena_alloc0(groups, impl->state_bytes);
        if (impl->init)
            impl->init(&c, state[i]);
    }
    uint16_t sel[AGG_ROWS_MAX];
    int n = 0;
    for (int i = 0; i < in->n; i++) {
        bool null = false;
        for (int j = 0; j < in->nargs; j++)
            null |= vec_null(&in->cols[j], i);
        if (!null || !impl->strict)
            sel[n++] = (uint16_t)i;
    }
    const Vec *args[2] = {&in->cols[0], &in->cols[1]};
    const char *volatile result = NULL;
    ERR_TRY
    {
        if (way == 1 && impl->step_many) {
            impl->step_many(&c, state[0], n, sel, args);
        } else if (way == 2 && impl->step_scatter) {
            char *states[AGG_ROWS_MAX];
            for (int i = 0; i < AGG_ROWS_MAX; i++)
                states[i] = state[0] - 16;
            impl->step_scatter(&c, states, 16, n, sel, args);
        } else {
            for (int i = 0; i < n; i++) {
                Datum d[2] = {0, 0};
                bool nulls[2] = {false, false};
                for (int j = 0; j < in->nargs; j++)
                    d[j] = in->cols[j].v[sel[i]];
                impl->step(&c, way == 3 && impl->merge ? state[i & 1] : state[0], d, nulls);
                arena_reset(scratch);
            }
            if (way == 3 && impl->merge)
                impl->merge(&c, state[0], state[1]);
        }
        for (int again = 0; again < 2; again++) { /* final leaves the state usable */
            bool isnull = false;
            Datum d = impl->final(&c, state[0], &isnull);
            StrBuf s;
            str_init(&s, arena);
            if (isnull)
                str_add(&s, "\\N");
            else
                type_ops(ret)->out(&c.fn, d, &s);
            result = s.data;
        }
    }
    ERR_CATCH
    {
        result = arena_printf(arena, "!%s %s", sqlstate_text(err_current()->sqlstate), err_current()->message);
        err_clear();
    }
    ERR_END;
    return result;
}

static void
aggregates_answer_as_postgresql(void)
{
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(agg_cases); i++) {
        const AggCase *k = &agg_cases[i];
        AggInput in;
        parse_rows(k, &in);
        const char *ret = number_fn(k->fn)->ret;
        bool real = strcmp(ret, "float8") == 0 || strcmp(ret, "float4") == 0;
        for (int way = 0; way < 4; way++) {
            if (real && way == 3)
                continue; /* another order of additions */
            const char *got = run_aggregate(k, &in, way);
            if (strcmp(got, k->result) != 0 && wrong++ < 50)
                printf("%s(%s) way %d over [%s]: got %s, PostgreSQL %s\n", number_fn(k->fn)->name, number_fn(k->fn)->args, way, k->values, got, k->result);
        }
        arena_reset(arena);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(COUNT_OF(agg_cases) > 500);
}

/* A long sum leaves the 128-bit part and comes back exact. */
static void
long_numeric_sums_stay_exact(void)
{
    const AggImpl *impl = &agg_sum_numeric;
    AggCtx c = {.fn = context(), .arena = arena_create(arena, "groups")};
    char *state = arena_alloc0(c.arena, impl->state_bytes);
    const char *error;
    Datum big, small, minus;
    read_value(&type_ops_numeric, "99999999999999999999999999999999999999.5", &big, &error);
    read_value(&type_ops_numeric, "0.0000000000000000001", &small, &error);
    read_value(&type_ops_numeric, "-99999999999999999999999999999999999999.5", &minus, &error);
    for (int i = 0; i < 100000; i++) {
        impl->step(&c, state, &big, NULL);
        impl->step(&c, state, &small, NULL);
        impl->step(&c, state, &minus, NULL);
    }
    bool isnull = false;
    StrBuf s;
    str_init(&s, arena);
    numeric_print(impl->final(&c, state, &isnull), &s);
    CU_ASSERT_STRING_EQUAL(s.data, "0.0000000000000100000");
    arena_reset(arena);
}

/* ---- sets ---- */

static void
check_series(Oid fn, int nargs, const char *const *args, const char *want)
{
    NumberCall k;
    number_call_init(&k, arena, fn);
    CU_ASSERT_EQUAL_FATAL(k.c.nargs, nargs);
    Datum d[3], out;
    bool outnull;
    for (int i = 0; i < nargs; i++)
        d[i] = type_ops(k.types[i])->in(&k.c, args[i], strlen(args[i]), 0, -1);
    StrBuf s;
    str_init(&s, arena);
    for (int twice = 0; twice < 2; twice++) { /* a finished call site starts anew */
        str_reset(&s);
        while (k.fn->set(&k.c, d, &out, &outnull)) {
            if (s.len)
                str_add_char(&s, ' ');
            type_ops(k.c.ret_type)->out(&k.c, out, &s);
        }
        CU_ASSERT_STRING_EQUAL(s.data, want);
    }
}

static void
series_end_where_they_should(void)
{
    check_series(1067, 2, (const char *[]){"1", "4"}, "1 2 3 4");
    check_series(1066, 3, (const char *[]){"10", "1", "-4"}, "10 6 2");
    check_series(1066, 3, (const char *[]){"2147483645", "2147483647", "1"}, "2147483645 2147483646 2147483647");
    check_series(1066, 3, (const char *[]){"-2147483647", "-2147483648", "-5"}, "-2147483647");
    check_series(1067, 2, (const char *[]){"2", "1"}, "");
    check_series(1069, 2, (const char *[]){"9223372036854775806", "9223372036854775807"}, "9223372036854775806 9223372036854775807");
    check_series(3259, 3, (const char *[]){"1", "2.5", "0.5"}, "1 1.5 2.0 2.5");
    check_series(3260, 2, (const char *[]){"1.1", "3"}, "1.1 2.1");
    check_series(3259, 3, (const char *[]){"3", "1", "-0.75"}, "3 2.25 1.50");
    check_series(3259, 3, (const char *[]){"999999999999999999", "1000000000000000001", "1"},
                 "999999999999999999 1000000000000000000 1000000000000000001");
    arena_reset(arena);
}

/* ---- kernels ---- */

static Datum
random_argument(Oid type)
{
    uint64_t r = next_random();
    bool small = r & 1;
    switch (type) {
    case BOOL_OID: return r >> 1 & 1;
    case INT2_OID: return int16_datum((int16_t)(small ? (int)(r >> 8) % 200 - 100 : (int)(r >> 8)));
    case INT4_OID: return int32_datum((int32_t)(small ? (int)(r >> 8) % 1000 - 500 : (int)(r >> 8)));
    case INT8_OID: return int64_datum(small ? (int64_t)(r >> 40) % 1000 : (int64_t)next_random());
    case OID_OID: case XID_OID: case CID_OID: return (uint32_t)(r >> 8);
    case CHAR_OID: return (uint8_t)(r >> 8);
    case FLOAT8_OID: {
        static const double edge[] = {0, -0.0, 1, -1, 1e308, -1e308, 1e-308, 4e-324, NAN, INFINITY, -INFINITY, 0.5};
        return float8_datum(small ? edge[(r >> 8) % COUNT_OF(edge)] : (double)(int64_t)next_random() / 1e10);
    }
    case FLOAT4_OID: {
        static const float edge[] = {0, -0.0f, 1, -1, 1e38f, -1e38f, 1e-38f, 1e-45f, NAN, INFINITY, -INFINITY, 0.5f};
        return float4_datum(small ? edge[(r >> 8) % COUNT_OF(edge)] : (float)(int32_t)(r >> 8) / 1e3f);
    }
    case NUMERIC_OID: return numeric_pack_int128(arena, small ? (int64_t)(r >> 8) % 10000 : (int64_t)next_random(), (int)((r >> 3) % 5));
    case TID_OID: return r >> 16;
    default: return r;
    }
}

/* The scalar's answer, or a raise. */
static bool
scalar_answer(NumberCall *k, const Datum *args, Datum *out)
{
    volatile bool ok = false;
    volatile Datum r = 0;
    ERR_TRY
    {
        bool isnull = false;
        r = k->fn->scalar(&k->c, args, &isnull);
        ok = true;
    }
    ERR_CATCH
    {
        err_clear();
    }
    ERR_END;
    *out = r;
    return ok;
}

static bool
same_value(Oid type, Datum x, Datum y)
{
    if (type == FLOAT8_OID && isnan(datum_float8(x)))
        return isnan(datum_float8(y));
    if (type == FLOAT4_OID && isnan(datum_float4(x)))
        return isnan(datum_float4(y));
    if (type == NUMERIC_OID)
        return var_equal(x, y);
    return x == y;
}

/* shape bits: 1 selection vector, 2 left constant, 4 right constant */
static void
check_kernel(const FnDef *fn, int shape)
{
    NumberCall k;
    number_call_init(&k, arena, fn->oid);
    Vec *args[2] = {vec_new(arena), vec_new(arena)}, *out = vec_new(arena);
    uint16_t sel[BATCH_ROWS];
    int n = (int)(next_random() % BATCH_ROWS) + 1, count = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < k.c.nargs; j++)
            args[j]->v[i] = random_argument(k.types[j]);
        if (next_random() & 1)
            sel[count++] = (uint16_t)i;
    }
    args[0]->is_const = shape & 2;
    args[1]->is_const = shape & 4;
    const uint16_t *given = shape & 1 ? sel : NULL;
    if (!given)
        count = n;
    const Vec *const *cargs = (const Vec *const *)args;
    /* Rows that raise are reported one after the other; take them out until the rest goes through. */
    for (int guard = 0; guard <= n; guard++) {
        int bad = fn->batch(&k.c, count, given, cargs, out);
        int first = -1;
        for (int i = 0; i < count; i++) {
            int row = given ? given[i] : i;
            Datum d[2] = {0, 0}, want;
            for (int j = 0; j < k.c.nargs; j++)
                d[j] = vec_get(args[j], row);
            bool ok = scalar_answer(&k, d, &want);
            if (!ok && first < 0)
                first = row;
            if (ok && bad < 0 && !same_value(k.c.ret_type, out->v[row], want)) {
                printf("%s [%s] row %d of %d shape %d: %llx, scalar %llx\n", fn->name, fn->args, row, n, shape,
                       (unsigned long long)out->v[row], (unsigned long long)want);
                CU_FAIL("kernel and scalar differ");
                return;
            }
        }
        CU_ASSERT_EQUAL(bad, first);
        if (bad < 0 || bad != first)
            return;
        /* Go on without rows that raise. */
        int kept = 0;
        for (int i = 0; i < count; i++) {
            int row = given ? given[i] : i;
            Datum d[2] = {0, 0}, want;
            for (int j = 0; j < k.c.nargs; j++)
                d[j] = vec_get(args[j], row);
            if (scalar_answer(&k, d, &want))
                sel[kept++] = (uint16_t)row;
        }
        given = sel;
        count = kept;
    }
}

static void
kernels_give_what_scalars_give(void)
{
    int kernels = 0;
    for (size_t i = 0; i < COUNT_OF(number_fns); i++) {
        if (number_fns[i].batch == NULL)
            continue;
        kernels++;
        for (int round = 0; round < 3; round++) {
            for (int shape = 0; shape < 8; shape++) {
                check_kernel(&number_fns[i], shape);
                arena_reset(arena);
            }
        }
    }
    CU_ASSERT(kernels > 100);
}

/* ---- registry ---- */

static void
registry_finds_types(void)
{
    CU_ASSERT_PTR_EQUAL(type_ops(INT4_OID), &type_ops_int4);
    CU_ASSERT_PTR_EQUAL(type_ops(NUMERIC_OID), &type_ops_numeric);
    CU_ASSERT_PTR_EQUAL(type_ops(INT4_ARRAY_OID), &type_ops_array);
    CU_ASSERT_PTR_NULL(type_ops(99));
    CU_ASSERT_PTR_NULL(type_ops(123456789));
    CU_ASSERT_EQUAL(type_builtin_array(NUMERIC_OID), NUMERIC_ARRAY_OID);
    CU_ASSERT_EQUAL(type_builtin_element(NUMERIC_ARRAY_OID), NUMERIC_OID);
    CU_ASSERT_EQUAL(type_builtin_element(NUMERIC_OID), 0);
    CU_ASSERT_EQUAL(type_builtin_array(123456789), 0);
    for (Oid oid = 0; oid < 8192; oid++) {
        const TypeOps *ops = type_ops(oid);
        if (ops != NULL && type_builtin_element(oid) == 0 && ops != &type_ops_array)
            CU_ASSERT_EQUAL(ops->oid, oid);
    }
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    arena = arena_create(NULL, "test");
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("types_number_io", NULL, NULL);
    CU_ADD_TEST(s, registry_finds_types);
    CU_ADD_TEST(s, values_read_print_and_travel_as_in_postgresql);
    CU_ADD_TEST(s, shortest_floats_read_back);
    CU_ADD_TEST(s, wrong_binary_lengths_are_refused);
    CU_ADD_TEST(s, extra_float_digits_shortens);
    CU_ADD_TEST(s, setseed_gives_the_known_series);
    CU_ADD_TEST(s, keys_order_as_values_do);
    CU_ADD_TEST(s, equal_numerics_of_any_scale_share_key_and_hash);
    CU_ADD_TEST(s, aggregates_answer_as_postgresql);
    CU_ADD_TEST(s, long_numeric_sums_stay_exact);
    CU_ADD_TEST(s, series_end_where_they_should);
    CU_ADD_TEST(s, kernels_give_what_scalars_give);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures > 0;
}
