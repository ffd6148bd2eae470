/*
 * The sorter of index builds (sort.c).
 */
#ifndef CORE_ACCESS_BTREE_SORT_H
#define CORE_ACCESS_BTREE_SORT_H

#include "core/base/arena.h"
#include "core/base/types.h"

typedef struct BtSort BtSort;
BtSort *bt_sort_begin(Arena *a);
void bt_sort_add(BtSort *s, const char *item, uint32_t n, uint8_t flags);
void bt_sort_finish(BtSort *s);
bool bt_sort_next(BtSort *s, const char **item, uint32_t *n, uint8_t *flags);

#endif
