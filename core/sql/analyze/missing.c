/*
 * Errors about names of columns and tables that the query does not have, with the hints that a reader of
 * such an error needs: the nearest names, or why a name that exists cannot be used here.
 */
#include <stdlib.h>

#include "core/sql/analyze/analyze_internal.h"

#define NEAR_ENOUGH 3 /* edits */

static int
edit_distance(const char *a, const char *b, int limit)
{
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > 63 || m > 63 || abs(n - m) > limit)
        return limit + 1;
    int row[65];
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int prev = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int cur = row[j];
            int sub = prev + (a[i - 1] != b[j - 1]);
            row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), sub);
            prev = cur;
        }
    }
    return row[m];
}

/* The nearest columns so far. first NULL with distance low: too many at that distance. */
typedef struct Nearest {
    int distance;
    const RangeEntry *rel1, *rel2;
    const char *first, *second;
    bool exact;         /* rel1 has the very column, but it is out of sight */
} Nearest;

static void
consider_column(Nearest *n, const RangeEntry *e, const char *col, const char *name, int rel_distance)
{
    if (rel_distance > n->distance || col == NULL || col[0] == '\0')
        return;
    int d = edit_distance(col, name, n->distance - rel_distance + 1);
    if (d > (int)strlen(name) / 2)
        return;
    d += rel_distance;
    if (d < n->distance) {
        *n = (Nearest){.distance = d, .rel1 = e, .first = col};
    } else if (d == n->distance) {
        if (n->second)
            *n = (Nearest){.distance = d - 1};
        else if (n->first) {
            n->rel2 = e;
            n->second = col;
        } else if (d <= NEAR_ENOUGH) {
            n->rel1 = e;
            n->first = col;
        }
    }
}

/* relname NULL: the column was not qualified. */
static Nearest
nearest_column(Scope *s, const char *relname, const char *name)
{
    Nearest n = {.distance = NEAR_ENOUGH + 1};
    for (Scope *p = s; p != NULL; p = p->parent)
        for (int i = 0; i < list_count(p->query->range_table); i++) {
            const RangeEntry *e = p->query->range_table->items[i];
            if (e->kind == RANGE_JOIN || e->eref == NULL)
                continue;
            int rel_distance = relname ? edit_distance(relname, e->eref, NEAR_ENOUGH + 1) : 0;
            bool here = false;
            for (int c = 0; c < list_count(e->columns); c++) {
                const char *col = e->columns->items[c];
                here |= col != NULL && strcmp(col, name) == 0;
                consider_column(&n, e, col, name, rel_distance);
            }
            if (here && rel_distance == 0)
                return (Nearest){.rel1 = e, .exact = true};
        }
    return n;
}

void
column_missing(Scope *s, const char *relname, const char *name, int location)
{
    Nearest n = nearest_column(s, relname, name);

    err_start(LEVEL_ERROR, SQLSTATE_UNDEFINED_COLUMN, __FILE__, __LINE__, __func__);
    if (relname)
        err_message("column %s.%s does not exist", relname, name);
    else
        err_message("column \"%s\" does not exist", name);
    if (n.exact)
        err_hint("There is a column named \"%s\" in table \"%s\", but it cannot be referenced from this part of the query.", name,
                 n.rel1->eref);
    else if (n.second)
        err_hint("Perhaps you meant to reference the column \"%s.%s\" or the column \"%s.%s\".", n.rel1->eref, n.first, n.rel2->eref,
                 n.second);
    else if (n.first)
        err_hint("Perhaps you meant to reference the column \"%s.%s\".", n.rel1->eref, n.first);
    err_position(location);
    err_throw();
}

void
relation_missing(Scope *s, const char *schema, const char *name, int location)
{
    /* A table of the query that hides behind an alias, or stands in another part of it. */
    for (Scope *p = s; p != NULL; p = p->parent)
        for (int i = 0; i < list_count(p->query->range_table); i++) {
            RangeEntry *e = p->query->range_table->items[i];
            if (e->kind == RANGE_RELATION && e->alias != NULL && schema == NULL) {
                RelDesc *r = rel_cached(e->rel);
                if (r && strcmp(r->name, name) == 0)
                    RAISE_ERR(SQLSTATE_UNDEFINED_TABLE, err_message("invalid reference to FROM-clause entry for table \"%s\"", name),
                              err_hint("Perhaps you meant to reference the table alias \"%s\".", e->eref), err_position(location));
            }
            if (e->eref && strcmp(e->eref, name) == 0 && e->kind != RANGE_JOIN)
                RAISE_ERR(SQLSTATE_UNDEFINED_TABLE, err_message("invalid reference to FROM-clause entry for table \"%s\"", name),
                          err_hint("There is an entry for table \"%s\", but it cannot be referenced from this part of the query.", name),
                          err_position(location));
        }
    RAISE_AT(SQLSTATE_UNDEFINED_TABLE, location, "missing FROM-clause entry for table \"%s\"", name);
}
