/* RowDescription and DataRow: fast writers, generic ones, nulls, constants, selections, domains of formats. */
#include "wire_util.h"

#include "core/catalog/builtins.h"
#include "core/types/number.h"

static Arena *arena;

typedef struct Case { Oid type; Datum value; bool null; const char *text; const char *binary; int binary_bytes; } Case;

static Datum
input(Oid type, const char *text)
{
    FnCtx c = {.arena = arena, .state_arena = arena, .ret_type = type, .ret_typmod = -1};
    return type_ops(type)->in(&c, text, strlen(text), 0, -1);
}

#define MAX_CASES 40
static Case cases[MAX_CASES];
static int case_count;

static void
add(Oid type, const char *text, const char *binary, int binary_bytes)
{
    cases[case_count++] = (Case){type, text ? input(type, text) : 0, text == NULL, text, binary, binary_bytes};
}

static void
make_cases(void)
{
    static char long_text[70001];
    memset(long_text, 'z', 70000);
    add(INT4_OID, "0", "\0\0\0\0", 4);
    add(INT4_OID, "9", "\0\0\0\11", 4);
    add(INT4_OID, "10", "\0\0\0\12", 4);
    add(INT4_OID, "-100", "\377\377\377\234", 4);
    add(INT4_OID, "-2147483648", "\200\0\0\0", 4);
    add(INT2_OID, "-32768", "\200\0", 2);
    add(INT8_OID, "-9223372036854775808", "\200\0\0\0\0\0\0\0", 8);
    add(INT8_OID, "9223372036854775807", "\177\377\377\377\377\377\377\377", 8);
    add(INT8_OID, "1234567890123", "\0\0\1\37\161\373\4\313", 8);
    add(OID_OID, "4294967295", "\377\377\377\377", 4);
    add(BOOL_OID, "t", "\1", 1);
    add(BOOL_OID, "f", "\0", 1);
    add(TEXT_OID, "", "", 0);
    add(TEXT_OID, "h\303\251", "h\303\251", 3);
    add(VARCHAR_OID, long_text, long_text, 70000);
    add(TEXT_OID, NULL, NULL, 0);
    add(FLOAT8_OID, "1.5", "\77\370\0\0\0\0\0\0", 8);
    add(FLOAT4_OID, "-2", "\300\0\0\0", 4);
    add(BYTEA_OID, "\\x00ff", "\0\377", 2);
    add(DATE_OID, "2000-01-03", "\0\0\0\2", 4);
    add(TIMESTAMP_OID, "2000-01-01 00:00:01", "\0\0\0\0\0\17\102\100", 8);
    add(NUMERIC_OID, "12.5", "\0\2\0\0\0\0\0\1\0\14\23\210", 12);
    add(UUID_OID, "00112233-4455-6677-8899-aabbccddeeff", "\0\21\42\63\104\125\146\167\210\231\252\273\314\335\356\377", 16);
    add(INT4_OID, NULL, NULL, 0);
    add(INTERVAL_OID, "1 mon", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static RowDesc *
describe(void)
{
    RowDesc *d = ARENA_NEW(arena, RowDesc);
    d->n = case_count;
    d->cols = ARENA_ARRAY(arena, RowColumn, case_count);
    for (int i = 0; i < case_count; i++)
        d->cols[i] = (RowColumn){.name = arena_printf(arena, "c%d", i), .type = cases[i].type, .typmod = -1, .table = i == 3 ? 4711 : 0, .column = i == 3 ? 2 : 0};
    return d;
}

#define ROWS 300

/* Row r holds the case's value in rows that three divides, null in others; odd columns are constants. */
static Batch *
fill(void)
{
    Batch *b = batch_new(arena, case_count);
    b->n = b->nsel = ROWS;
    for (int i = 0; i < case_count; i++) {
        Vec *v = &b->cols[i];
        v->is_const = i % 2;
        for (int r = 0; r < (v->is_const ? 1 : ROWS); r++) {
            v->v[r] = cases[i].value;
            if (cases[i].null || r % 3)
                vec_set_null(v, r);
        }
    }
    return b;
}

typedef struct Job { int16_t format; const uint16_t *sel; int nsel; bool describe_only; } Job;

static void
serve_rows(void *arg)
{
    Job *j = arg;
    RowDesc *d = describe();
    wire_send_row_description(d, &j->format, 1);
    Batch *b = fill();
    b->sel = j->sel;
    if (j->sel)
        b->nsel = j->nsel;
    RowSender *s = row_sender_new(arena, d, &j->format, 1);
    row_sender_send(s, b);
    row_sender_send(s, b);
    wire_send_command_complete("SELECT");
}

static bool
check_row(const Job *j, int row)
{
    const char *p = client_body;
    bool good = load_be16(p) == case_count;
    p += 2;
    for (int i = 0; i < case_count && good; i++) {
        const Case *c = &cases[i];
        int n = (int)load_be32(p);
        bool null = c->null || (i % 2 == 0 && row % 3);
        const char *want = j->format ? c->binary : c->text;
        int want_bytes = null ? -1 : j->format ? c->binary_bytes : (int)strlen(c->text);
        p += 4;
        good = n == want_bytes && (null || memcmp(p, want, (size_t)n) == 0);
        if (!good)
            printf("row %d column %d (%s): %d bytes\n", row, i, c->text ? c->text : "null", n);
        p += n > 0 ? n : 0;
    }
    return good && p == client_body + client_body_bytes;
}

static void
run(Job j)
{
    Client c = client_start(serve_rows, &j);
    CU_ASSERT_EQUAL(client_message(&c), 'T');
    CU_ASSERT_EQUAL(load_be16(client_body), case_count);
    const char *p = client_body + 2;
    for (int i = 0; i < case_count; i++) {
        const char *at = p + strlen(p) + 1;
        CU_ASSERT_EQUAL(load_be32(at), i == 3 ? 4711 : 0);
        CU_ASSERT_EQUAL(load_be16(at + 4), i == 3 ? 2 : 0);
        CU_ASSERT_EQUAL(load_be32(at + 6), cases[i].type);
        CU_ASSERT_EQUAL((int16_t)load_be16(at + 10), cases[i].type == INT4_OID ? 4 : type_info(cases[i].type)->typlen);
        CU_ASSERT_EQUAL(load_be16(at + 16), (uint16_t)j.format);
        p = at + 18;
    }
    bool good = true;
    for (int round = 0; round < 2; round++)
        for (int k = 0; k < (j.sel ? j.nsel : ROWS) && good; k++)
            good = client_message(&c) == 'D' && check_row(&j, j.sel ? j.sel[k] : k);
    CU_ASSERT(good);
    CU_ASSERT_EQUAL(client_message(&c), 'C');
    client_end(&c);
}

static void
text_rows(void)
{
    run((Job){.format = 0});
}

static void
binary_rows(void)
{
    run((Job){.format = 1});
}

static void
selected_rows(void)
{
    static const uint16_t sel[] = {0, 2, 3, 64, 299};
    run((Job){.format = 0, .sel = sel, .nsel = COUNT_OF(sel)});
}

static void
all_integers_print_as_printf(void)
{
    enum { N = 1000 };
    RowColumn col = {.name = "x", .type = INT8_OID, .typmod = -1};
    RowDesc d = {1, &col};
    wire_init(open("/dev/null", O_WRONLY));
    RowSender *s = row_sender_new(arena, &d, NULL, 0);
    Batch *b = batch_new(arena, 1);
    uint64_t x = 88172645463325252u;
    bool good = true;
    b->n = 1;
    for (int i = 0; i < N * 64; i++) {
        char want[32];
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t v = (int64_t)x >> i % 64;
        b->cols[0].v[0] = int64_datum(v);
        wire_out()->len = 0;
        row_sender_send(s, b);
        int n = snprintf(want, sizeof(want), "%lld", (long long)v);
        good &= (int)load_be32(wire_out()->data + 7) == n && memcmp(wire_out()->data + 11, want, (size_t)n) == 0 &&
                wire_out()->len == (size_t)n + 11;
    }
    CU_ASSERT(good);
    wire_close();
}

static void
a_bad_format_is_refused(void)
{
    RowColumn col = {.name = "x", .type = INT8_OID, .typmod = -1};
    RowDesc d = {1, &col};
    int16_t format = 7;
    volatile bool raised = false;
    ERR_TRY {
        row_sender_new(arena, &d, &format, 1);
    } ERR_CATCH {
        raised = err_current()->sqlstate == SQLSTATE_INVALID_PARAMETER_VALUE &&
                 strcmp(err_current()->message, "unsupported format code: 7") == 0;
        err_clear();
    } ERR_END;
    CU_ASSERT(raised);
}

int
main(void)
{
    types_settings_register();
    test_boot();
    float_format_init();
    builtins_init();
    arena = arena_create(arena_top(), "test");
    make_cases();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("wire_rows", NULL, NULL);
    CU_add_test(s, "text rows", text_rows);
    CU_add_test(s, "binary rows", binary_rows);
    CU_add_test(s, "selected rows", selected_rows);
    CU_add_test(s, "all integers print as printf", all_integers_print_as_printf);
    CU_add_test(s, "a bad format is refused", a_bad_format_is_refused);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
