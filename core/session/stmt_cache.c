/*
 * The statement cache: a repeated text skips parse, analysis and planning. In the simple protocol first by
 * exact text, then by the text with its literals lifted out (stmt_lift.c); in the extended protocol Parse
 * of the unnamed statement by its text and the parameter types the client gave.
 *
 * An entry serves only while the same text would be analysed and planned alike: the catalogs it rests on,
 * the search path, the role and every setting that a plan may depend on are those of its making
 * (cached_plan_is_current). Otherwise it goes, and the text takes the ordinary way: unlike a prepared
 * statement, nobody was promised that it stays as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session/session_internal.h"

#define CACHE_ENTRIES 512 /* per session; the oldest of a bucket goes first */
#define CACHE_TEXT_MAX 4096

typedef struct Entry { uint64_t hash; char *key; CachedPlan *plan; bool refused; uint64_t stamp; } Entry;
static Entry entries[CACHE_ENTRIES];
static uint64_t stamp;

static void
free_entry(Entry *e)
{
    free(e->key);
    if (e->plan)
        cached_plan_release(e->plan);
    *e = (Entry){0};
}

static Entry *
slot_of(uint64_t hash, const char *key)
{
    size_t base = (size_t)(hash % (CACHE_ENTRIES / 4)) * 4;
    for (size_t i = base; i < base + 4; i++) {
        Entry *e = &entries[i];
        if (e->key == NULL || e->hash != hash || strcmp(e->key, key) != 0)
            continue;
        catalog_accept_invalidations();
        if (e->refused || cached_plan_is_current(e->plan))
            return e;
        free_entry(e);
        return NULL;
    }
    return NULL;
}

static Entry *
new_slot(uint64_t hash, const char *key)
{
    size_t base = (size_t)(hash % (CACHE_ENTRIES / 4)) * 4, pick = base;
    for (size_t i = base; i < base + 4; i++)
        if (entries[i].key == NULL) {
            pick = i;
            break;
        } else if (entries[i].stamp < entries[pick].stamp)
            pick = i;
    free_entry(&entries[pick]);
    entries[pick].hash = hash;
    entries[pick].key = strdup(key);
    entries[pick].stamp = ++stamp;
    return &entries[pick];
}

void
statement_cache_clear(void)
{
    for (int i = 0; i < CACHE_ENTRIES; i++)
        if (entries[i].key)
            free_entry(&entries[i]);
}

CachedPlan *
statement_cache_find(const char *text, ParamValues **params, Arena *a)
{
    size_t n = strlen(text);
    *params = NULL;
    if (n > CACHE_TEXT_MAX || xact_is_aborted())
        return NULL;
    uint64_t h = hash_bytes(text, n);
    Entry *e = slot_of(h, text);
    if (e && e->plan && e->plan->in_use == 1) {
        e->stamp = ++stamp;
        return e->plan;
    }
    Lifted l;
    if (!stmt_lift(text, &l, a))
        return NULL;
    h = hash_bytes(l.key, strlen(l.key));
    e = slot_of(h, l.key);
    if (e && e->refused)
        return NULL;
    if (e == NULL) {
        xact_start_command();
        CachedPlan *p = stmt_lift_plan(&l);
        e = new_slot(h, l.key);
        e->plan = p;
        e->refused = p == NULL;
        if (p == NULL)
            return NULL;
        p->desc_may_change = true;
    }
    if (e->plan->in_use != 1)
        return NULL;
    e->stamp = ++stamp;
    CachedPlan *volatile found = NULL;
    xact_start_command();
    ERR_TRY
    {
        *params = stmt_lift_params(e->plan, &l, a);
        if (*params)
            found = e->plan;
    }
    ERR_CATCH
    {
        err_clear(); /* bad literal: the ordinary way reports it with its position */
    }
    ERR_END;
    return found;
}

/* Utility statements are cheap to analyse and change what plans rest on; but every transaction has BEGIN and COMMIT. */
static bool
worth_keeping(const CachedPlan *p)
{
    return (!p->is_utility || p->is_transaction_stmt) && p->valid && p->plans && p->plans->count == 1;
}

void
statement_cache_store(const char *text, CachedPlan *p)
{
    size_t n = strlen(text);
    if (n > CACHE_TEXT_MAX || !worth_keeping(p))
        return;
    uint64_t h = hash_bytes(text, n);
    if (slot_of(h, text))
        return;
    Entry *e = new_slot(h, text);
    e->plan = p;
    p->desc_may_change = true;
    p->in_use++;
}

void
statement_cache_trim(uint64_t keep)
{
    for (int i = 0; i < CACHE_ENTRIES; i++)
        if (entries[i].key && entries[i].stamp + keep <= stamp)
            free_entry(&entries[i]);
}

/* ---- Parse ---- */

static char *
parse_key(const char *text, const Oid *types, int ntypes)
{
    StrBuf key;
    str_init(&key, message_arena);
    str_add_bytes(&key, text, strlen(text));
    str_add_char(&key, '\2'); /* stands in no text that could be parsed */
    for (int i = 0; i < ntypes; i++)
        str_printf(&key, "%x,", types[i]);
    return key.data;
}

static bool
parse_cacheable(const char *text, int ntypes)
{
    return strlen(text) <= CACHE_TEXT_MAX && ntypes <= LIFT_MAX;
}

CachedPlan *
parse_cache_find(const char *text, const Oid *types, int ntypes)
{
    if (!parse_cacheable(text, ntypes) || xact_is_aborted())
        return NULL;
    const char *key = parse_key(text, types, ntypes);
    Entry *e = slot_of(hash_bytes(key, strlen(key)), key);
    if (e == NULL || e->plan->in_use != 1) /* a portal still runs it: it keeps it for itself */
        return NULL;
    e->stamp = ++stamp;
    return e->plan;
}

void
parse_cache_store(const char *text, const Oid *types, int ntypes, CachedPlan *p)
{
    if (!parse_cacheable(text, ntypes) || !worth_keeping(p))
        return;
    const char *key = parse_key(text, types, ntypes);
    uint64_t h = hash_bytes(key, strlen(key));
    if (slot_of(h, key))
        return;
    new_slot(h, key)->plan = p;
    p->in_use++;
}
