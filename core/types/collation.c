/*
 * Collations: order and case of text.
 *
 * C, POSIX and every libc locale whose order is that of code points (C.UTF-8) compare by memcmp,
 * which on valid UTF-8 is code point order; this is the path that counts. Other libc locales go
 * through strcoll_l and strxfrm_l, ICU's through ucol_*. Equal by the locale's rules is not equal
 * in SQL: ties are broken by memcmp (unless the collation is non-deterministic), so that text that
 * looks different never compares equal and hashing may look at bytes only.
 *
 * What is opened is kept in a small table per process, found by OID; collation_forget drops it when
 * the catalog changes.
 */
#include "core/types/collation.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>
#include <wctype.h>

#include "core/types/text.h"

typedef struct OpenCollation {
    Oid oid;
    bool order_is_bytes; /* memcmp */
    bool ctype_is_c;     /* case mapping of ASCII only */
    bool deterministic;
    locale_t order, ctype; /* libc */
    UCollator *ucol;       /* ICU */
    char icu_locale[64];
} OpenCollation;

#define OPEN_MAX 64

bool (*collation_lookup_hook)(Oid collation, CollationInfo *out);

static OpenCollation default_collation = {COLLATION_DEFAULT, true, true, true, 0, 0, NULL, ""};
static const OpenCollation c_collation = {COLLATION_C, true, true, true, 0, 0, NULL, ""};
static OpenCollation open_table[OPEN_MAX];
static int open_count;
static Arena *scratch; /* for comparisons of long strings */

static const OpenCollation *find_collation(Oid oid);
static const OpenCollation *open_collation(Oid oid);
static void close_collation(OpenCollation *c);
static locale_t open_libc(const char *name, int mask);
static bool is_byte_order(const char *name);
static UChar *to_utf16(Arena *a, const char *s, size_t n, int32_t *len);
static void map_case_libc(const OpenCollation *c, bool upper, const char *s, size_t n, StrBuf *out);
static void map_case_icu(const OpenCollation *c, int what, const char *s, size_t n, StrBuf *out);

bool
collation_is_c(Oid collation)
{
    if (collation == COLLATION_DEFAULT || collation == 0)
        return default_collation.order_is_bytes;
    if (collation == COLLATION_C || collation == COLLATION_POSIX)
        return true;
    return find_collation(collation)->order_is_bytes;
}

bool
collation_ctype_is_c(Oid collation)
{
    return find_collation(collation)->ctype_is_c;
}

bool
collation_is_deterministic(Oid collation)
{
    if (collation == COLLATION_DEFAULT || collation == 0 || collation == COLLATION_C)
        return true;
    return find_collation(collation)->deterministic;
}

void
collation_require(Oid collation, const char *what)
{
    if (collation == 0)
        RAISE_ERR(SQLSTATE_INDETERMINATE_COLLATION,
                  err_message("could not determine which collation to use for %s", what),
                  err_hint("Use the COLLATE clause to set the collation explicitly."));
}

int
collation_compare(Oid collation, const char *a, size_t an, const char *b, size_t bn)
{
    const OpenCollation *c = find_collation(collation);
    int tie = span_memcmp((Span){a, an}, (Span){b, bn});

    if (c->order_is_bytes || tie == 0)
        return tie;
    int r;
    if (c->ucol) {
        UErrorCode status = U_ZERO_ERROR;
        r = ucol_strcollUTF8(c->ucol, a, (int32_t)an, b, (int32_t)bn, &status);
        if (U_FAILURE(status))
            INTERNAL_ERROR("collation failed: %s", u_errorName(status));
    } else {
        char small[1024], *buf = small;
        ArenaMark mark = {0};
        if (an + bn + 2 > sizeof small) {
            if (!scratch)
                scratch = arena_create(arena_top(), "collation");
            mark = arena_mark(scratch);
            buf = arena_alloc(scratch, an + bn + 2);
        }
        memcpy(buf, a, an);
        buf[an] = 0;
        memcpy(buf + an + 1, b, bn);
        buf[an + 1 + bn] = 0;
        r = strcoll_l(buf, buf + an + 1, c->order);
        if (buf != small)
            arena_release(scratch, mark);
    }
    return r != 0 || !c->deterministic ? r : tie;
}

/* Appends the sort key, then a zero and the original bytes as the tie-break. */
void
collation_key(Oid collation, const char *s, size_t n, StrBuf *out)
{
    const OpenCollation *c = find_collation(collation);

    if (c->order_is_bytes) {
        str_add_bytes(out, s, n);
        return;
    }
    if (!scratch)
        scratch = arena_create(arena_top(), "collation");
    ArenaMark mark = arena_mark(scratch);
    if (c->ucol) {
        int32_t len;
        UChar *u = to_utf16(scratch, s, n, &len);
        str_reserve(out, n * 4 + 16);
        int32_t need = ucol_getSortKey(c->ucol, u, len, (uint8_t *)out->data + out->len,
                                       (int32_t)(out->cap - out->len - 1));
        if ((size_t)need > out->cap - out->len - 1) {
            str_reserve(out, (size_t)need + 1);
            ucol_getSortKey(c->ucol, u, len, (uint8_t *)out->data + out->len, need);
        }
        out->len += (size_t)need - 1; /* ICU counts its closing zero */
    } else {
        char *z = arena_strndup(scratch, s, n);
        str_reserve(out, n * 4 + 16);
        size_t room = out->cap - out->len;
        size_t need = strxfrm_l(out->data + out->len, z, room, c->order);
        if (need >= room) {
            str_reserve(out, need + 1);
            strxfrm_l(out->data + out->len, z, need + 1, c->order);
        }
        out->len += need;
    }
    arena_release(scratch, mark);
    if (c->deterministic) {
        str_add_char(out, 0);
        str_add_bytes(out, s, n);
    }
    out->data[out->len] = 0;
}

void
collation_set_default(const char *collate, const char *ctype)
{
    close_collation(&default_collation);
    default_collation.oid = COLLATION_DEFAULT;
    default_collation.deterministic = true;
    default_collation.order_is_bytes = is_byte_order(collate);
    if (!default_collation.order_is_bytes)
        default_collation.order = open_libc(collate, LC_COLLATE_MASK | LC_CTYPE_MASK);
    default_collation.ctype_is_c = strcmp(ctype, "C") == 0 || strcmp(ctype, "POSIX") == 0;
    if (!default_collation.ctype_is_c)
        default_collation.ctype = open_libc(ctype, LC_CTYPE_MASK);
}

void
collation_set_default_icu(const char *icu_locale)
{
    UErrorCode status = U_ZERO_ERROR;
    UCollator *u = ucol_open(icu_locale, &status);

    if (U_FAILURE(status))
        RAISE(SQLSTATE_INTERNAL_ERROR, "could not open collator for locale \"%s\": %s", icu_locale,
              u_errorName(status));
    close_collation(&default_collation);
    default_collation = (OpenCollation){COLLATION_DEFAULT, false, false, true, 0, 0, u, ""};
    strncpy(default_collation.icu_locale, icu_locale, sizeof default_collation.icu_locale - 1);
}

void
collation_forget(Oid collation)
{
    for (int i = 0; i < open_count;) {
        if (collation == 0 || open_table[i].oid == collation) {
            close_collation(&open_table[i]);
            open_table[i] = open_table[--open_count];
        } else {
            i++;
        }
    }
}

void
collation_upper(Oid collation, const char *s, size_t n, StrBuf *out)
{
    const OpenCollation *c = find_collation(collation);

    if (c->ucol) {
        map_case_icu(c, 'u', s, n, out);
    } else if (c->ctype_is_c || bytes_are_ascii(s, n)) {
        str_reserve(out, n);
        char *to = out->data + out->len;
        for (size_t i = 0; i < n; i++)
            to[i] = s[i] >= 'a' && s[i] <= 'z' ? s[i] - 32 : s[i];
        out->len += n;
        out->data[out->len] = 0;
    } else {
        map_case_libc(c, true, s, n, out);
    }
}

void
collation_lower(Oid collation, const char *s, size_t n, StrBuf *out)
{
    const OpenCollation *c = find_collation(collation);

    if (c->ucol) {
        map_case_icu(c, 'l', s, n, out);
    } else if (c->ctype_is_c || bytes_are_ascii(s, n)) {
        str_reserve(out, n);
        char *to = out->data + out->len;
        for (size_t i = 0; i < n; i++)
            to[i] = s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i];
        out->len += n;
        out->data[out->len] = 0;
    } else {
        map_case_libc(c, false, s, n, out);
    }
}

/* Upper after anything that is not a letter or digit, lower elsewhere. */
void
collation_initcap(Oid collation, const char *s, size_t n, StrBuf *out)
{
    const OpenCollation *c = find_collation(collation);
    bool in_word = false;

    if (c->ucol) {
        map_case_icu(c, 't', s, n, out);
        return;
    }
    for (size_t i = 0; i < n;) {
        unsigned char b = (unsigned char)s[i];
        if (b < 0x80) {
            bool lower = b >= 'a' && b <= 'z', upper = b >= 'A' && b <= 'Z';
            if (in_word && upper)
                b += 32;
            else if (!in_word && lower)
                b -= 32;
            str_add_char(out, (char)b);
            in_word = lower || upper || (b >= '0' && b <= '9');
            i++;
            continue;
        }
        int len = utf8_len(b);
        if (c->ctype_is_c) {
            str_add_bytes(out, s + i, (size_t)len);
            in_word = false;
        } else {
            wint_t w = utf8_decode(s + i);
            char bytes[4];
            wint_t to = in_word ? towlower_l(w, c->ctype) : towupper_l(w, c->ctype);
            str_add_bytes(out, bytes, (size_t)utf8_encode(to, bytes));
            in_word = iswalnum_l(to, c->ctype) != 0;
        }
        i += (size_t)len;
    }
}

static const OpenCollation *
find_collation(Oid oid)
{
    if (oid == COLLATION_DEFAULT || oid == 0)
        return &default_collation;
    if (oid == COLLATION_C || oid == COLLATION_POSIX)
        return &c_collation;
    for (int i = 0; i < open_count; i++)
        if (open_table[i].oid == oid)
            return &open_table[i];
    return open_collation(oid);
}

static const OpenCollation *
open_collation(Oid oid)
{
    CollationInfo info = {0};
    OpenCollation c = {.oid = oid};

    if (!collation_lookup_hook || !collation_lookup_hook(oid, &info))
        INTERNAL_ERROR("cache lookup failed for collation %u", oid);
    c.deterministic = info.deterministic;
    if (info.provider == 'd') {
        return &default_collation;
    } else if (info.provider == 'i') {
        UErrorCode status = U_ZERO_ERROR;
        c.ucol = ucol_open(info.icu_locale, &status);
        if (U_FAILURE(status))
            INTERNAL_ERROR("could not open collator for locale \"%s\": %s", info.icu_locale,
                           u_errorName(status));
        strncpy(c.icu_locale, info.icu_locale, sizeof c.icu_locale - 1);
    } else {
        c.order_is_bytes = is_byte_order(info.collate);
        if (!c.order_is_bytes)
            c.order = open_libc(info.collate, LC_COLLATE_MASK | LC_CTYPE_MASK);
        c.ctype_is_c = strcmp(info.ctype, "C") == 0 || strcmp(info.ctype, "POSIX") == 0;
        if (!c.ctype_is_c)
            c.ctype = open_libc(info.ctype, LC_CTYPE_MASK);
    }
    if (open_count == OPEN_MAX) /* more than anyone uses at once: start over */
        collation_forget(0);
    open_table[open_count] = c;
    return &open_table[open_count++];
}

static void
close_collation(OpenCollation *c)
{
    if (c->order)
        freelocale(c->order);
    if (c->ctype)
        freelocale(c->ctype);
    if (c->ucol)
        ucol_close(c->ucol);
    c->order = c->ctype = 0;
    c->ucol = NULL;
}

static locale_t
open_libc(const char *name, int mask)
{
    locale_t l = newlocale(mask, name, (locale_t)0);

    if (!l)
        RAISE_ERR(SQLSTATE_INVALID_PARAMETER_VALUE,
                  err_message("could not create locale \"%s\": %s", name, strerror(errno)),
                  err_detail("The operating system could not find any locale data for the locale "
                             "name \"%s\".", name));
    return l;
}

/* Locales whose order is that of the bytes; the C.UTF-8 ones order by code point. */
static bool
is_byte_order(const char *name)
{
    static const char *const names[] = {"C", "POSIX", "C.UTF-8", "C.utf8", "C.UTF8", "C.utf-8"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static UChar *
to_utf16(Arena *a, const char *s, size_t n, int32_t *len)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar *u = arena_alloc(a, (n + 1) * sizeof(UChar)); /* never more units than bytes */

    u_strFromUTF8(u, (int32_t)n + 1, len, s, (int32_t)n, &status);
    if (U_FAILURE(status))
        INTERNAL_ERROR("could not convert to UTF-16: %s", u_errorName(status));
    return u;
}

static void
map_case_libc(const OpenCollation *c, bool upper, const char *s, size_t n, StrBuf *out)
{
    for (size_t i = 0; i < n;) {
        int len = utf8_len((unsigned char)s[i]);
        wint_t w = utf8_decode(s + i);
        char bytes[4];
        wint_t to = upper ? towupper_l(w, c->ctype) : towlower_l(w, c->ctype);
        str_add_bytes(out, bytes, (size_t)utf8_encode(to, bytes));
        i += (size_t)len;
    }
}

static void
map_case_icu(const OpenCollation *c, int what, const char *s, size_t n, StrBuf *out)
{
    if (!scratch)
        scratch = arena_create(arena_top(), "collation");
    ArenaMark mark = arena_mark(scratch);
    int32_t len, cap, got = 0;
    UChar *u = to_utf16(scratch, s, n, &len), *to;
    for (cap = len * 2 + 8;; cap = got + 1) {
        UErrorCode status = U_ZERO_ERROR;
        to = arena_alloc(scratch, (size_t)cap * sizeof(UChar));
        got = what == 'u'   ? u_strToUpper(to, cap, u, len, c->icu_locale, &status)
              : what == 'l' ? u_strToLower(to, cap, u, len, c->icu_locale, &status)
                            : u_strToTitle(to, cap, u, len, NULL, c->icu_locale, &status);
        if (status == U_BUFFER_OVERFLOW_ERROR)
            continue;
        if (U_FAILURE(status))
            INTERNAL_ERROR("case conversion failed: %s", u_errorName(status));
        break;
    }
    UErrorCode status = U_ZERO_ERROR;
    int32_t bytes;
    str_reserve(out, (size_t)got * 3 + 1);
    u_strToUTF8(out->data + out->len, (int32_t)(out->cap - out->len), &bytes, to, got, &status);
    if (U_FAILURE(status))
        INTERNAL_ERROR("could not convert from UTF-16: %s", u_errorName(status));
    out->len += (size_t)bytes;
    out->data[out->len] = 0;
    arena_release(scratch, mark);
}
