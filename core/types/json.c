/*
 * Type json: text that is checked to be JSON (RFC 8259) on input and kept as it was written.
 */
#include "core/base/stack.h"
#include "core/types/text_type.h"

typedef enum Token {
    TOK_STRING,
    TOK_NUMBER,
    TOK_OBJECT_START,
    TOK_OBJECT_END,
    TOK_ARRAY_START,
    TOK_ARRAY_END,
    TOK_COMMA,
    TOK_COLON,
    TOK_WORD,
    TOK_END
} Token;

typedef struct Lexer {
    const char *input, *end;
    const char *p;     /* after the current token */
    const char *start; /* of the current token */
    const char *line_start;
    int line;
    Token token;
} Lexer;

/* Shows the line up to where reading stopped, at most about 50 bytes of it. */
NORETURN static void
fail(const Lexer *x, const char *detail)
{
    const char *from = x->line_start, *to = x->p;

    while (to - from >= 50)
        from += utf8_len((unsigned char)*from);
    const char *prefix = from > x->line_start ? "..." : "";
    const char *suffix =
        x->token != TOK_END && to < x->end && *to != '\n' && *to != '\r' ? "..." : "";
    RAISE_ERR(SQLSTATE_INVALID_TEXT_REPRESENTATION,
              err_message("invalid input syntax for type %s", "json"), err_detail("%s", detail),
              err_context("JSON data, line %d: %s%.*s%s", x->line, prefix, (int)(to - from), from,
                          suffix));
}

NORETURN static void
fail_token(const Lexer *x, const char *expected)
{
    char detail[512];

    if (x->token == TOK_END)
        fail(x, "The input string ended unexpectedly.");
    snprintf(detail, sizeof detail, "%s, but found \"%.*s\".", expected,
             (int)utf8_clip(x->start, (size_t)(x->p - x->start), 300), x->start);
    fail(x, detail);
}

NORETURN static void
fail_invalid(Lexer *x)
{
    char detail[512];

    /* The bad word runs on to the next blank or punctuation. */
    const char *q = x->start;
    while (q < x->end && ((unsigned char)*q >= 0x80 || (*q >= 'a' && *q <= 'z') ||
                          (*q >= 'A' && *q <= 'Z') || (*q >= '0' && *q <= '9') || *q == '_'))
        q++;
    if (q == x->start)
        q += utf8_len((unsigned char)*q);
    x->p = MAX(x->p, q);
    snprintf(detail, sizeof detail, "Token \"%.*s\" is invalid.",
             (int)utf8_clip(x->start, (size_t)(x->p - x->start), 300), x->start);
    fail(x, detail);
}

static bool
is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static void
lex_string(Lexer *x)
{
    const char *p = x->start + 1;

    for (;; p++) {
        if (p >= x->end) {
            x->p = x->end;
            char detail[512];
            snprintf(detail, sizeof detail, "Token \"%.*s\" is invalid.",
                     (int)utf8_clip(x->start, (size_t)(x->end - x->start), 300), x->start);
            fail(x, detail);
        }
        if (*p == '"')
            break;
        if ((unsigned char)*p < 0x20) {
            char detail[64];
            x->p = p;
            snprintf(detail, sizeof detail, "Character with value 0x%02x must be escaped.",
                     (unsigned char)*p);
            fail(x, detail);
        }
        if (*p != '\\')
            continue;
        p++;
        if (p >= x->end) {
            p--;
            continue;
        }
        if (*p == 'u') {
            for (int i = 1; i <= 4; i++) {
                char c = p + i < x->end ? p[i] : 0;
                bool hex =
                    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
                if (!hex) {
                    x->p = MIN(p + i + (c ? utf8_len((unsigned char)c) : 0), x->end);
                    fail(x, "\"\\u\" must be followed by four hexadecimal digits.");
                }
            }
            p += 4;
        } else if (!memchr("\"\\/bfnrt", *p, 8)) {
            char detail[64];
            int n = MIN(utf8_len((unsigned char)*p), (int)(x->end - p));
            x->p = p + n;
            snprintf(detail, sizeof detail, "Escape sequence \"\\%.*s\" is invalid.", n, p);
            fail(x, detail);
        }
    }
    x->p = p + 1;
}

static void
lex_number(Lexer *x)
{
    const char *p = x->start;
    bool bad = false;

    if (*p == '-')
        p++;
    if (p < x->end && *p == '0')
        p++;
    else if (p < x->end && *p >= '1' && *p <= '9')
        while (p < x->end && *p >= '0' && *p <= '9')
            p++;
    else
        bad = true;
    if (p < x->end && *p == '.') {
        p++;
        bad |= p >= x->end || *p < '0' || *p > '9';
        while (p < x->end && *p >= '0' && *p <= '9')
            p++;
    }
    if (p < x->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < x->end && (*p == '+' || *p == '-'))
            p++;
        bad |= p >= x->end || *p < '0' || *p > '9';
        while (p < x->end && *p >= '0' && *p <= '9')
            p++;
    }
    const char *number_end = p;
    while (p < x->end && (is_word_byte(*p) || *p == '-' || *p == '+' || *p == '.'))
        p++;
    x->p = p;
    if (bad || p != number_end) {
        char detail[512];
        snprintf(detail, sizeof detail, "Token \"%.*s\" is invalid.",
                 (int)utf8_clip(x->start, (size_t)(p - x->start), 300), x->start);
        fail(x, detail);
    }
}

static void
next(Lexer *x)
{
    while (x->p < x->end && (*x->p == ' ' || *x->p == '\t' || *x->p == '\n' || *x->p == '\r')) {
        if (*x->p++ == '\n') {
            x->line++;
            x->line_start = x->p;
        }
    }
    x->start = x->p;
    if (x->p >= x->end) {
        x->token = TOK_END;
        return;
    }
    x->p++;
    switch (*x->start) {
    case '{': x->token = TOK_OBJECT_START; return;
    case '}': x->token = TOK_OBJECT_END; return;
    case '[': x->token = TOK_ARRAY_START; return;
    case ']': x->token = TOK_ARRAY_END; return;
    case ',': x->token = TOK_COMMA; return;
    case ':': x->token = TOK_COLON; return;
    case '"': x->token = TOK_STRING; lex_string(x); return;
    default: break;
    }
    if (*x->start == '-' || (*x->start >= '0' && *x->start <= '9')) {
        x->token = TOK_NUMBER;
        lex_number(x);
        return;
    }
    x->token = TOK_WORD;
    x->p = x->start;
    while (x->p < x->end && is_word_byte(*x->p))
        x->p++;
    size_t n = (size_t)(x->p - x->start);
    if ((n == 4 && (memcmp(x->start, "true", 4) == 0 || memcmp(x->start, "null", 4) == 0)) ||
        (n == 5 && memcmp(x->start, "false", 5) == 0))
        return;
    fail_invalid(x);
}

/* The current token begins a value; on return the token after it is current. */
static void
parse_value(Lexer *x)
{
    CHECK_STACK();
    switch (x->token) {
    case TOK_OBJECT_START:
        next(x);
        if (x->token != TOK_OBJECT_END && x->token != TOK_STRING)
            fail_token(x, "Expected string or \"}\"");
        while (x->token != TOK_OBJECT_END) {
            if (x->token != TOK_STRING)
                fail_token(x, "Expected string");
            next(x);
            if (x->token != TOK_COLON)
                fail_token(x, "Expected \":\"");
            next(x);
            parse_value(x);
            if (x->token == TOK_COMMA) {
                next(x);
                if (x->token != TOK_STRING)
                    fail_token(x, "Expected string");
            } else if (x->token != TOK_OBJECT_END) {
                fail_token(x, "Expected \",\" or \"}\"");
            }
        }
        break;
    case TOK_ARRAY_START:
        next(x);
        while (x->token != TOK_ARRAY_END) {
            parse_value(x);
            if (x->token == TOK_COMMA) {
                next(x);
                if (x->token == TOK_ARRAY_END)
                    fail_token(x, "Expected JSON value");
            } else if (x->token != TOK_ARRAY_END) {
                fail_token(x, "Expected \",\" or \"]\"");
            }
        }
        break;
    case TOK_STRING:
    case TOK_NUMBER:
    case TOK_WORD:
        break;
    default:
        fail_token(x, "Expected JSON value");
    }
    next(x);
}

static void
check_json(const char *p, size_t n)
{
    Lexer x = {.input = p, .end = p + n, .p = p, .start = p, .line_start = p, .line = 1};

    next(&x);
    parse_value(&x);
    if (x.token != TOK_END)
        fail_token(&x, "Expected end of input");
}

static Datum
json_in(FnCtx *c, const char *text, size_t len, Oid elem, int32_t typmod)
{
    check_json(text, len);
    return var_make(c->arena, text, len);
}

static Datum
json_recv(FnCtx *c, const char *bytes, size_t len, Oid elem, int32_t typmod)
{
    text_require_utf8(bytes, len);
    check_json(bytes, len);
    return var_make(c->arena, bytes, len);
}

const TypeOps type_ops_json = {
    .oid = JSON_OID,
    .len = -1,
    .in = json_in,
    .out = text_type_out,
    .recv = json_recv,
    .send = text_type_out,
};
