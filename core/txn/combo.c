/*
 * Combo command ids: a row inserted and deleted by one transaction has one command field for two
 * commands. The pair is kept here, in this process only, and the tuple gets its number.
 */
#include "core/base/hash.h"
#include "core/txn/txn_internal.h"

typedef struct ComboPair {
    CommandId cmin, cmax;
} ComboPair;

static struct {
    Arena *arena;
    ComboPair *pairs;
    uint32_t count, cap;
    uint32_t *index; /* open addressing, number + 1; 2 * cap entries */
} combo;

static void
index_add(uint32_t n)
{
    uint32_t mask = combo.cap * 2 - 1;
    uint32_t i =
        (uint32_t)hash_u64((uint64_t)combo.pairs[n].cmin << 32 | combo.pairs[n].cmax) & mask;

    while (combo.index[i])
        i = (i + 1) & mask;
    combo.index[i] = n + 1;
}

static void
grow(void)
{
    uint32_t cap = combo.cap ? combo.cap * 2 : 64;
    ComboPair *pairs;

    if (!combo.arena)
        combo.arena = arena_create(arena_top(), "combo command ids");
    pairs = ARENA_ARRAY(combo.arena, ComboPair, cap);
    if (combo.count)
        memcpy(pairs, combo.pairs, sizeof(ComboPair) * combo.count);
    combo.pairs = pairs;
    combo.cap = cap;
    combo.index = ARENA_ARRAY(combo.arena, uint32_t, cap * 2);
    for (uint32_t i = 0; i < combo.count; i++)
        index_add(i);
}

CommandId
combo_make(CommandId cmin, CommandId cmax)
{
    if (combo.cap) {
        uint32_t mask = combo.cap * 2 - 1;

        for (uint32_t i = (uint32_t)hash_u64((uint64_t)cmin << 32 | cmax) & mask; combo.index[i];
             i = (i + 1) & mask) {
            ComboPair *p = &combo.pairs[combo.index[i] - 1];

            if (p->cmin == cmin && p->cmax == cmax)
                return combo.index[i] - 1;
        }
    }
    if (combo.count == combo.cap)
        grow();
    combo.pairs[combo.count] = (ComboPair){cmin, cmax};
    index_add(combo.count);
    return combo.count++;
}

CommandId
combo_cmin(CommandId c)
{
    CHECK(c < combo.count);
    return combo.pairs[c].cmin;
}

CommandId
combo_cmax(CommandId c)
{
    CHECK(c < combo.count);
    return combo.pairs[c].cmax;
}

void
combo_at_end(void)
{
    if (combo.count == 0)
        return;
    arena_reset(combo.arena);
    combo.pairs = NULL;
    combo.index = NULL;
    combo.count = combo.cap = 0;
}
