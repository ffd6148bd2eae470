/*
 * Inside of time zones: shared by datetime_zone.c (files, look-up) and datetime_zone_rule.c (POSIX
 * rules).
 */
#ifndef CORE_TYPES_DATETIME_ZONE_H
#define CORE_TYPES_DATETIME_ZONE_H

#include "core/types/datetime.h"

#define ZONE_TYPES_MAX 256
#define ZONE_CHARS_MAX 1024
#define ZONE_CYCLE_YEARS 400
#define ZONE_CYCLE_SECONDS (INT64_C(146097) * 86400)
#define ZONE_RULE_MOMENTS (2 * (ZONE_CYCLE_YEARS + 3))

typedef struct ZoneType {
    int32_t offset; /* east */
    bool dst;
    uint16_t abbrev; /* index into chars */
} ZoneType;

struct Zone {
    struct Zone *next;     /* hash chain */
    const char *key;       /* upper case */
    const char *name;      /* as shown */
    int n;                 /* moments */
    int64_t *at;           /* seconds since 1970, ascending */
    uint8_t *type;         /* of the period that begins there */
    int ntypes, nchars;
    ZoneType types[ZONE_TYPES_MAX];
    char chars[ZONE_CHARS_MAX]; /* abbreviations, each zero-terminated */
    bool ahead, back;      /* the last / first 400 years repeat for ever */
    bool leaps;            /* the file counts leap seconds (the "right" zones) */
    int64_t cache_from, cache_to; /* the last period looked up */
    int cache_type;
};

const char *zone_directory(void);
/* A whole zone from a POSIX TZ string; z->at and z->type have room for ZONE_RULE_MOMENTS. */
bool zone_from_rule(Zone *z, const char *rule);
/* Appends what the rule says about the time after z's last moment. */
void zone_append_rule(Zone *z, const char *rule);

#endif
