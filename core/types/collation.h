/*
 * Collations: how one is found by OID, and what its comparison rests on.
 */
#ifndef CORE_TYPES_COLLATION_H
#define CORE_TYPES_COLLATION_H

#include "core/types/type.h"

/* pg_collation's columns that matter here. Strings must live until the lookup returns. */
typedef struct CollationInfo {
    const char *name;        /* for messages */
    char provider;           /* 'c' libc, 'i' ICU, 'd' the database's default */
    bool deterministic;
    const char *collate;     /* libc */
    const char *ctype;       /* libc */
    const char *icu_locale;  /* ICU */
} CollationInfo;

/* Set by the catalog. Returns false when there is no such collation. OIDs 100, 950 and 951 never
 * ask. */
extern bool (*collation_lookup_hook)(Oid collation, CollationInfo *out);
/* A collation was dropped or altered: forget what was opened for it (0: for all). */
void collation_forget(Oid collation);
/* The database's default is an ICU locale. */
void collation_set_default_icu(const char *icu_locale);

bool collation_is_deterministic(Oid collation);
/* True when case mapping and character classes go no further than ASCII. */
bool collation_ctype_is_c(Oid collation);
/* Raises 42P22 when a function needs a collation and none was resolved. */
void collation_require(Oid collation, const char *what);

#endif
