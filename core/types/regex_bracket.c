/*
 * The smallest pieces of a regular expression on their way to PCRE2: characters, the escapes that
 * stand for them, and bracket expressions.
 */
#include "core/types/regex_internal.h"

/* ---- characters ---- */

/* A code point as PCRE2 takes it literally, inside brackets or out. */
static void
emit_code(Tr *t, uint32_t c)
{
    char bytes[4];

    if (c < 0x20 || c == 0x7F)
        str_printf(t->out, "\\x{%x}", c);
    else if (c < 0x80 && !re_is_alnum((char)c))
        str_printf(t->out, "\\%c", (char)c);
    else
        str_add_bytes(t->out, bytes, (size_t)utf8_encode(c, bytes));
}

void
re_emit_literal(Tr *t, uint32_t c)
{
    if ((t->flags & RE_ICASE) && t->ctype_is_c && re_is_letter(c))
        str_printf(t->out, "[%c%c]", (char)(c | 0x20), (char)(c & ~0x20u));
    else
        emit_code(t, c);
}

uint32_t
re_take_char(Tr *t)
{
    uint32_t c = utf8_decode(t->p);
    t->p += utf8_len((unsigned char)*t->p);
    return c;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t
take_hex(Tr *t, int min, int max)
{
    uint64_t v = 0;
    int n = 0;

    for (; n < max && t->p < t->end && hex_value(*t->p) >= 0; n++, t->p++) {
        v = v * 16 + (unsigned)hex_value(*t->p);
        if (v > 0x10FFFF)
            regex_raise("invalid escape \\ sequence");
    }
    if (n < min || v == 0 || (v >= 0xD800 && v <= 0xDFFF))
        regex_raise("invalid escape \\ sequence");
    return (uint32_t)v;
}

int64_t
re_char_escape(Tr *t, char letter)
{
    switch (letter) {
    case 'a': return 7;
    case 'b': return 8;
    case 'B': return '\\';
    case 'c':
        if (t->p >= t->end)
            regex_raise("invalid escape \\ sequence");
        return re_take_char(t) & 037;
    case 'e': return 27;
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case 'u': return take_hex(t, 4, 4);
    case 'U': return take_hex(t, 8, 8);
    case 'x': return take_hex(t, 1, 255);
    case '0': {
        int64_t v = 0;
        for (int n = 0; n < 2 && t->p < t->end && *t->p >= '0' && *t->p <= '7'; n++)
            v = v * 8 + (*t->p++ - '0');
        return v;
    }
    default:
        return -1;
    }
}

/* ---- brackets ---- */

typedef struct Class {
    const char *name, *pcre;
} Class;

static const Class classes[] = {
    {"alnum", "[:alnum:]"}, {"alpha", "[:alpha:]"}, {"ascii", "[:ascii:]"}, {"blank", "[:blank:]"},
    {"cntrl", "[:cntrl:]"}, {"digit", "0-9"}, {"graph", "[:graph:]"}, {"lower", "[:lower:]"},
    {"print", "[:print:]"}, {"punct", "[:punct:]"}, {"space", "[:space:]"}, {"upper", "[:upper:]"},
    {"xdigit", "[:xdigit:]"}, {"word", "[:word:]"}};

static void
emit_class(Tr *t, const char *name, size_t n)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
            continue;
        bool cased = strcmp(classes[i].name, "lower") == 0 || strcmp(classes[i].name, "upper") == 0;
        str_add(t->out, cased && (t->flags & RE_ICASE) ? "[:alpha:]" : classes[i].pcre);
        return;
    }
    regex_raise("invalid character class");
}

static void
emit_range(Tr *t, uint32_t from, uint32_t to)
{
    emit_code(t, from);
    if (from != to) {
        str_add_char(t->out, '-');
        emit_code(t, to);
    }
    if (!(t->flags & RE_ICASE) || !t->ctype_is_c)
        return;
    uint32_t lo = MAX(from, 'a'), hi = MIN(to, 'z');
    if (lo <= hi)
        str_printf(t->out, "%c-%c", (char)(lo - 32), (char)(hi - 32));
    lo = MAX(from, 'A');
    hi = MIN(to, 'Z');
    if (lo <= hi)
        str_printf(t->out, "%c-%c", (char)(lo + 32), (char)(hi + 32));
}

/* [.x.] and [=x=]: one character by itself, or the names POSIX gives a few. */
static uint32_t
take_collating(Tr *t, char kind)
{
    static const struct {
        const char *name;
        char ch;
    } named[] = {{"space", ' '}, {"hyphen", '-'}, {"hyphen-minus", '-'}, {"period", '.'},
                 {"full-stop", '.'}, {"comma", ','}, {"slash", '/'}, {"colon", ':'},
                 {"semicolon", ';'}, {"tab", '\t'}, {"newline", '\n'}, {"underscore", '_'},
                 {"backslash", '\\'}, {"left-square-bracket", '['}, {"right-square-bracket", ']'},
                 {"circumflex", '^'}, {"asterisk", '*'}, {"dollar-sign", '$'}, {"plus-sign", '+'}};
    const char *from = t->p;

    while (t->p + 1 < t->end && !(t->p[0] == kind && t->p[1] == ']'))
        t->p++;
    if (t->p + 1 >= t->end)
        regex_raise("brackets [] not balanced");
    size_t n = (size_t)(t->p - from);
    t->p += 2;
    if (n > 0 && n == (size_t)utf8_len((unsigned char)*from))
        return utf8_decode(from);
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (strlen(named[i].name) == n && memcmp(named[i].name, from, n) == 0)
            return (unsigned char)named[i].ch;
    regex_raise("invalid collating element");
}

/* One end of a range, or -1 after emitting something that cannot be one (a class). */
static int64_t
bracket_item(Tr *t)
{
    if (t->p[0] == '[' && t->p + 1 < t->end) {
        char kind = t->p[1];
        if (kind == ':') {
            const char *from = t->p + 2, *p = from;
            while (p + 1 < t->end && !(p[0] == ':' && p[1] == ']'))
                p++;
            if (p + 1 >= t->end)
                regex_raise("brackets [] not balanced");
            emit_class(t, from, (size_t)(p - from));
            t->p = p + 2;
            return -1;
        }
        if (kind == '.' || kind == '=') {
            t->p += 2;
            return take_collating(t, kind);
        }
    }
    if (t->p[0] == '\\' && !(t->flags & RE_ERE)) {
        t->p++;
        if (t->p >= t->end)
            regex_raise("invalid escape \\ sequence");
        if (!re_is_alnum(*t->p))
            return re_take_char(t);
        char letter = *t->p++;
        if (strchr("dswDSW", letter)) {
            if (letter == 'd')
                str_add(t->out, "0-9");
            else
                str_printf(t->out, "\\%c", letter);
            return -1;
        }
        if (letter >= '1' && letter <= '7') { /* no back references in here: octal */
            int64_t v = letter - '0';
            for (int n = 0; n < 2 && t->p < t->end && *t->p >= '0' && *t->p <= '7'; n++)
                v = v * 8 + (*t->p++ - '0');
            return v;
        }
        int64_t c = re_char_escape(t, letter);
        if (c < 0)
            regex_raise("invalid escape \\ sequence");
        return c;
    }
    return re_take_char(t);
}

void
re_parse_bracket(Tr *t)
{
    bool first = true;

    str_add_char(t->out, '[');
    if (t->p < t->end && *t->p == '^') {
        str_add_char(t->out, '^');
        t->p++;
        if (t->flags & RE_NEWLINE_DOT)
            str_add(t->out, "\\n");
    }
    for (;; first = false) {
        if (t->p >= t->end)
            regex_raise("brackets [] not balanced");
        if (*t->p == ']' && !first)
            break;
        if (*t->p == '-' && !first && t->p + 1 < t->end && t->p[1] != ']')
            regex_raise("invalid character range");
        int64_t from = bracket_item(t);
        if (t->p + 1 < t->end && t->p[0] == '-' && t->p[1] != ']') {
            if (from < 0)
                regex_raise("invalid character range");
            t->p++;
            int64_t to = bracket_item(t);
            if (to < from)
                regex_raise("invalid character range");
            emit_range(t, (uint32_t)from, (uint32_t)to);
        } else if (from >= 0) {
            emit_range(t, (uint32_t)from, (uint32_t)from);
        }
    }
    t->p++;
    str_add_char(t->out, ']');
}
