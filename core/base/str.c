/*
 * Growable strings and pointer lists in an arena. Both double, so that appending is amortised
 * constant; the last block of an arena grows in place.
 */
#include "core/base/str.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/limits.h"

void
str_init(StrBuf *s, Arena *a)
{
    s->arena = a;
    s->cap = 256;
    s->len = 0;
    s->data = arena_alloc(a, s->cap);
    s->data[0] = '\0';
}

void
str_reset(StrBuf *s)
{
    s->len = 0;
    s->data[0] = '\0';
}

/* Makes room for more_bytes and the zero. */
void
str_reserve(StrBuf *s, size_t more_bytes)
{
    if (LIKELY(more_bytes < s->cap - s->len))
        return;
    if (more_bytes >= MAX_VALUE_BYTES || s->len + more_bytes >= MAX_VALUE_BYTES)
        RAISE_ERR(SQLSTATE_PROGRAM_LIMIT_EXCEEDED, err_message("out of memory"),
                  err_detail("Cannot enlarge string buffer containing %zu bytes by %zu more bytes.",
                             s->len, more_bytes));
    size_t cap = s->cap;
    while (cap <= s->len + more_bytes)
        cap *= 2;
    if (cap > MAX_VALUE_BYTES)
        cap = MAX_VALUE_BYTES;
    s->data = arena_realloc(s->arena, s->data, s->cap, cap);
    s->cap = cap;
}

void
str_add_bytes(StrBuf *s, const void *p, size_t n)
{
    str_reserve(s, n);
    if (n)
        memcpy(s->data + s->len, p, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void
str_add(StrBuf *s, const char *z)
{
    str_add_bytes(s, z, strlen(z));
}

void
str_add_char(StrBuf *s, char c)
{
    str_reserve(s, 1);
    s->data[s->len++] = c;
    s->data[s->len] = '\0';
}

void
str_printf(StrBuf *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t room = s->cap - s->len;
    int n = vsnprintf(s->data + s->len, room, fmt, ap);
    va_end(ap);
    if (n < 0) {
        s->data[s->len] = '\0';
        return;
    }
    if ((size_t)n >= room) {
        str_reserve(s, (size_t)n);
        va_start(ap, fmt);
        vsnprintf(s->data + s->len, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    s->len += (size_t)n;
}

List *
list_new(Arena *a)
{
    List *l = arena_alloc(a, sizeof(List));
    l->count = 0;
    l->cap = 0;
    l->items = NULL;
    l->arena = a;
    return l;
}

static void
list_grow(List *l, int count)
{
    int cap = l->cap ? l->cap : 4;
    while (cap < count)
        cap *= 2;
    l->items = arena_realloc(l->arena, l->items, sizeof(void *) * (size_t)l->cap,
                             sizeof(void *) * (size_t)cap);
    l->cap = cap;
}

void
list_push(List *l, void *item)
{
    if (l->count == l->cap)
        list_grow(l, l->count + 1);
    l->items[l->count++] = item;
}

void
list_concat(List *l, const List *more)
{
    int add = list_count(more);
    if (add == 0)
        return;
    if (l->count + add > l->cap)
        list_grow(l, l->count + add);
    memcpy(l->items + l->count, more->items, sizeof(void *) * (size_t)add);
    l->count += add;
}

char
char_lower_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

int
str_casecmp_ascii(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)char_lower_ascii(*a);
        unsigned char y = (unsigned char)char_lower_ascii(*b);
        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            return 0;
    }
}

bool
str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}
