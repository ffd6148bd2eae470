/*
 * Growable strings and pointer lists that live in an arena.
 */
#ifndef CORE_BASE_STR_H
#define CORE_BASE_STR_H

#include "core/base/arena.h"
#include "core/base/types.h"

typedef struct StrBuf {
    char *data;  /* always zero-terminated */
    size_t len;  /* bytes used, without the zero */
    size_t cap;
    Arena *arena;
} StrBuf;

void str_init(StrBuf *s, Arena *a);
void str_reset(StrBuf *s);
void str_reserve(StrBuf *s, size_t more_bytes); /* raises 54000 beyond MAX_VALUE_BYTES */
void str_add_bytes(StrBuf *s, const void *p, size_t n);
void str_add(StrBuf *s, const char *z);
void str_add_char(StrBuf *s, char c);
void str_printf(StrBuf *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A list of pointers. The empty list may be NULL for readers; list_push returns the list. */
typedef struct List {
    int count;
    int cap;
    void **items;
    Arena *arena;
} List;

List *list_new(Arena *a);
void list_push(List *l, void *item);
void list_concat(List *l, const List *more);
static inline int list_count(const List *l) { return l ? l->count : 0; }
static inline void *list_at(const List *l, int i) { return l->items[i]; }
#define LIST_FOREACH(Type, var, list)                                                               \
    for (int var##_i = 0; var##_i < list_count(list); var##_i++)                                     \
        for (Type *var = (Type *)(list)->items[var##_i], *var##_once = (Type *)1; var##_once; var##_once = NULL)
/* Note: `break` leaves only the inner loop; use an index loop where an early exit is needed. */

/* ASCII-only case folding, as identifiers and keywords need. */
int str_casecmp_ascii(const char *a, const char *b);
char char_lower_ascii(char c);
bool str_starts_with(const char *s, const char *prefix);

/* UTF-8. valid: returns bytes up to the first invalid sequence (== len if all valid). */
size_t utf8_valid_prefix(const char *s, size_t len);
size_t utf8_count_chars(const char *s, size_t len);
int utf8_char_bytes(unsigned char lead); /* 1..4 */
size_t utf8_clip(const char *s, size_t len, size_t max_bytes); /* longest prefix on a char boundary */

#endif
