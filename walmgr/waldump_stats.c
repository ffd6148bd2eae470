/*
 * waldump -z: how many records of each kind, and how many bytes of them are records and how many page
 * images. The table is pg_waldump's.
 */
#include "walmgr/wal_internal.h"

#include <stdio.h>

typedef struct KindStats { uint64_t count, record_bytes, image_bytes; } KindStats;

static KindStats kinds[RMGR_COUNT][16]; /* by op: the high four bits of info */

void
wal_stats_add(const WalRecord *r)
{
    KindStats *k = &kinds[r->rmgr < RMGR_COUNT ? r->rmgr : 0][r->info >> 4];
    uint64_t images = 0, bytes = WAL_ALIGN(r->length);
    for (int i = 0; i < r->ref_count; i++)
        images += r->refs[i].image_bytes;
    k->count++;
    k->image_bytes += images;
    k->record_bytes += bytes - images;
}

static KindStats
sum(const KindStats *of, int n)
{
    KindStats s = {0, 0, 0};
    for (int i = 0; i < n; i++) {
        s.count += of[i].count;
        s.record_bytes += of[i].record_bytes;
        s.image_bytes += of[i].image_bytes;
    }
    return s;
}

static double
percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void
print_row(const char *name, const KindStats *k, const KindStats *all)
{
    uint64_t both = k->record_bytes + k->image_bytes;
    printf("%-27s %20llu (%6.02f) %20llu (%6.02f) %20llu (%6.02f) %20llu (%6.02f)\n", name, (unsigned long long)k->count,
           percent(k->count, all->count), (unsigned long long)k->record_bytes, percent(k->record_bytes, all->record_bytes),
           (unsigned long long)k->image_bytes, percent(k->image_bytes, all->image_bytes), (unsigned long long)both,
           percent(both, all->record_bytes + all->image_bytes));
}

static void
print_total(const KindStats *all)
{
    char records[32], images[32], both[32];
    uint64_t sum_bytes = all->record_bytes + all->image_bytes;
    snprintf(records, sizeof(records), "[%.02f%%]", percent(all->record_bytes, sum_bytes));
    snprintf(images, sizeof(images), "[%.02f%%]", percent(all->image_bytes, sum_bytes));
    snprintf(both, sizeof(both), "[100%%]");
    printf("%-27s %20s %8s %20s %8s %20s %8s %20s %8s\n", "", "--------", "", "--------", "", "--------", "", "--------", "");
    printf("%-27s %20llu %8s %20llu %-9s%20llu %-9s%20llu %-6s\n", "Total", (unsigned long long)all->count, "",
           (unsigned long long)all->record_bytes, records, (unsigned long long)all->image_bytes, images,
           (unsigned long long)sum_bytes, both);
}

static const char *
row_name(int rmgr, int op, char *out, size_t n)
{
    const WalRmgrOps *ops = wal_rmgr_ops[rmgr];
    const char *text = ops && ops->identify ? ops->identify((uint8_t)(op << 4)) : NULL;
    if (text)
        snprintf(out, n, "%s/%s", wal_rmgr_name((unsigned)rmgr), text);
    else
        snprintf(out, n, "%s/UNKNOWN (%x)", wal_rmgr_name((unsigned)rmgr), op << 4);
    return out;
}

void
wal_stats_print(Lsn start, Lsn end, bool by_record)
{
    KindStats all = sum(&kinds[0][0], RMGR_COUNT * 16);
    char name[80];
    printf("WAL statistics between %s and %s:\n", lsn_text(start), lsn_text(end));
    printf("%-27s %20s %8s %20s %8s %20s %8s %20s %8s\n%-27s %20s %8s %20s %8s %20s %8s %20s %8s\n", "Type", "N", "(%)",
           "Record size", "(%)", "FPI size", "(%)", "Combined size", "(%)", "----", "-", "---", "-----------", "---",
           "--------", "---", "-------------", "---");
    for (int rmgr = 0; rmgr < RMGR_COUNT; rmgr++) {
        KindStats k = sum(kinds[rmgr], 16);
        if (k.count == 0)
            continue;
        if (!by_record)
            print_row(wal_rmgr_name((unsigned)rmgr), &k, &all);
        for (int op = 0; by_record && op < 16; op++)
            if (kinds[rmgr][op].count)
                print_row(row_name(rmgr, op, name, sizeof(name)), &kinds[rmgr][op], &all);
    }
    print_total(&all);
}
