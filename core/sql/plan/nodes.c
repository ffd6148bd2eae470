/*
 * Small tools of the planner: node construction, settings, sets of Vars.
 */
#include "core/base/settings.h"
#include "core/sql/plan/plan_internal.h"

int work_mem_kb = 4096;
double seq_page_cost = 1.0, random_page_cost = 4.0, cpu_tuple_cost = 0.01, cpu_index_tuple_cost = 0.005, cpu_operator_cost = 0.0025;
double effective_cache_size_pages = 524288;
bool enable_seqscan = true, enable_indexscan = true, enable_indexonlyscan = true, enable_bitmapscan = true, enable_hashjoin = true,
     enable_nestloop = true, enable_mergejoin = true, enable_hashagg = true, enable_sort = true, enable_material = true,
     enable_tidscan = true, enable_incremental_sort = true, enable_memoize = true;
int join_collapse_limit = 8, from_collapse_limit = 8;
static int effective_cache_blocks = 524288;
static double parallel_tuple_cost = 0.1, parallel_setup_cost = 1000;
static bool enable_gathermerge = true, enable_parallel_append = true, enable_parallel_hash = true, enable_partition_pruning = true,
            enable_partitionwise_join = false, enable_partitionwise_aggregate = false, enable_async_append = true, geqo = true, jit = false;
static int geqo_threshold = 12, max_parallel_workers_per_gather = 0;
int default_statistics_target = 100;
static double hash_mem_multiplier = 2.0, cursor_tuple_fraction = 0.1;
enum { PLAN_CACHE_AUTO, PLAN_CACHE_FORCE_GENERIC, PLAN_CACHE_FORCE_CUSTOM };
int plan_cache_mode = PLAN_CACHE_AUTO;
static int constraint_exclusion = 2;

static const SettingEnum plan_cache_options[] = {
    {"auto", PLAN_CACHE_AUTO, false}, {"force_generic_plan", PLAN_CACHE_FORCE_GENERIC, false}, {"force_custom_plan", PLAN_CACHE_FORCE_CUSTOM, false}, {NULL, 0, false}};
static const SettingEnum constraint_exclusion_options[] = {{"off", 0, false}, {"on", 1, false}, {"partition", 2, false}, {NULL, 0, false}};

#define ENABLE(n, what)                                                                                                             \
    {.name = #n, .type = SETTING_BOOL, .context = CONTEXT_USER, .group = "Query Tuning / Planner Method Configuration", .description = "Lets the planner use " what ".", .variable = &n, .boot = "on"}
#define OFF_SETTING(n, what)                                                                                                             \
    {.name = #n, .type = SETTING_BOOL, .context = CONTEXT_USER, .group = "Query Tuning / Planner Method Configuration", .description = "Lets the planner use " what ".", .variable = &n, .boot = "off"}
#define COST(n, dflt, what)                                                                                                         \
    {.name = #n, .type = SETTING_REAL, .context = CONTEXT_USER, .group = "Query Tuning / Planner Cost Constants", .description = "Estimated cost of " what ".", .variable = &n, .boot = dflt, .min = 0, .max = 1.79e308}

static void
assign_cache_size(const SettingDef *d)
{
    (void)d;
    effective_cache_size_pages = effective_cache_blocks;
}

static const SettingDef defs[] = {
    ENABLE(enable_seqscan, "sequential scans"), ENABLE(enable_indexscan, "index scans"), ENABLE(enable_indexonlyscan, "index-only scans"),
    ENABLE(enable_bitmapscan, "bitmap scans"), ENABLE(enable_hashjoin, "hash joins"), ENABLE(enable_nestloop, "nested loops"),
    ENABLE(enable_mergejoin, "merge joins"), ENABLE(enable_hashagg, "hashed aggregation"), ENABLE(enable_sort, "explicit sorts"),
    ENABLE(enable_material, "materialization"), ENABLE(enable_tidscan, "TID scans"), ENABLE(enable_incremental_sort, "incremental sorts"),
    ENABLE(enable_memoize, "memoization"), ENABLE(enable_gathermerge, "gather merge"), ENABLE(enable_parallel_append, "parallel append"),
    ENABLE(enable_parallel_hash, "parallel hash"), ENABLE(enable_partition_pruning, "partition pruning"), ENABLE(enable_async_append, "asynchronous append"),
    OFF_SETTING(enable_partitionwise_join, "partition-wise joins"), OFF_SETTING(enable_partitionwise_aggregate, "partition-wise aggregation"),
    COST(seq_page_cost, "1", "a page read in sequence"), COST(random_page_cost, "4", "a page read out of sequence"),
    COST(cpu_tuple_cost, "0.01", "processing one row"), COST(cpu_index_tuple_cost, "0.005", "processing one index entry"),
    COST(cpu_operator_cost, "0.0025", "one operator or function call"), COST(parallel_tuple_cost, "0.1", "passing a row between processes"),
    COST(parallel_setup_cost, "1000", "starting worker processes"),
    {.name = "effective_cache_size", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_BLOCKS, .group = "Query Tuning / Planner Cost Constants",
     .description = "Assumed size of the caches that hold this data.", .variable = &effective_cache_blocks, .boot = "524288", .min = 1, .max = INT32_MAX, .assign = assign_cache_size},
    {.name = "work_mem", .type = SETTING_INT, .context = CONTEXT_USER, .unit = UNIT_KB, .group = "Resource Usage / Memory",
     .description = "Memory a sort or hash table may use before it spills.", .variable = &work_mem_kb, .boot = "4096", .min = 64, .max = INT32_MAX},
    {.name = "hash_mem_multiplier", .type = SETTING_REAL, .context = CONTEXT_USER, .group = "Resource Usage / Memory",
     .description = "Multiple of work_mem for hash tables.", .variable = &hash_mem_multiplier, .boot = "2", .min = 1, .max = 1000},
    {.name = "join_collapse_limit", .type = SETTING_INT, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Size of FROM lists above which explicit joins keep their order.", .variable = &join_collapse_limit, .boot = "8", .min = 1, .max = INT32_MAX},
    {.name = "from_collapse_limit", .type = SETTING_INT, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Size of FROM lists above which subqueries are not merged.", .variable = &from_collapse_limit, .boot = "8", .min = 1, .max = INT32_MAX},
    {.name = "cursor_tuple_fraction", .type = SETTING_REAL, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Share of a cursor's rows assumed to be fetched.", .variable = &cursor_tuple_fraction, .boot = "0.1", .min = 0, .max = 1},
    {.name = "geqo", .type = SETTING_BOOL, .context = CONTEXT_USER, .group = "Query Tuning / Genetic Query Optimizer",
     .description = "Searches join orders of many tables heuristically.", .variable = &geqo, .boot = "on"},
    {.name = "geqo_threshold", .type = SETTING_INT, .context = CONTEXT_USER, .group = "Query Tuning / Genetic Query Optimizer",
     .description = "Number of FROM items from which the heuristic search is used.", .variable = &geqo_threshold, .boot = "12", .min = 2, .max = INT32_MAX},
    {.name = "max_parallel_workers_per_gather", .type = SETTING_INT, .context = CONTEXT_USER, .group = "Resource Usage / Asynchronous Behavior",
     .description = "Workers one parallel operation may use.", .variable = &max_parallel_workers_per_gather, .boot = "2", .min = 0, .max = 1024},
    {.name = "default_statistics_target", .type = SETTING_INT, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Detail of the statistics ANALYZE collects.", .variable = &default_statistics_target, .boot = "100", .min = 1, .max = 10000},
    {.name = "jit", .type = SETTING_BOOL, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Accepted for compatibility; expressions are vectorised instead.", .variable = &jit, .boot = "on"},
    {.name = "plan_cache_mode", .type = SETTING_ENUM, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Generic or custom plans for prepared statements.", .variable = &plan_cache_mode, .boot = "auto", .options = plan_cache_options},
    {.name = "constraint_exclusion", .type = SETTING_ENUM, .context = CONTEXT_USER, .group = "Query Tuning / Other Planner Options",
     .description = "Whether constraints may exclude tables.", .variable = &constraint_exclusion, .boot = "partition", .options = constraint_exclusion_options},
};

void
plan_settings_register(void)
{
    settings_register(defs, (int)COUNT_OF(defs));
}

void *
plan_new(Root *root, int tag, size_t bytes)
{
    Plan *p = arena_alloc0(root->arena, bytes);
    p->tag = (NodeTag)tag;
    p->targets = list_new(root->arena);
    p->quals = list_new(root->arena);
    return p;
}

TargetEntry *
tle(Arena *a, Expr *e, int resno, const char *name)
{
    TargetEntry *t = node_new(a, TargetEntry);
    t->expr = e;
    t->resno = resno;
    t->name = (char *)(uintptr_t)name;
    return t;
}

void
plan_cost(Plan *p, double startup, double total, double rows, int width)
{
    p->startup_cost = startup;
    p->total_cost = total;
    p->rows = rows < 1 ? 1 : rows;
    p->width = width;
}

typedef struct VarScan { Arena *a; List *out; } VarScan;

static bool
collect_vars(void *n, void *arg)
{
    VarScan *x = arg;
    if (IS(n, Var)) {
        if (((Var *)n)->levels_up != 0)
            return false;
        for (int i = 0; i < x->out->count; i++)
            if (node_equal(x->out->items[i], n))
                return false;
        list_push(x->out, n);
        return false;
    }
    return node_walk_children(n, collect_vars, arg, false);
}

List *
vars_of(Arena *a, const void *e, List *out)
{
    VarScan x = {a, out ? out : list_new(a)};
    if (e)
        collect_vars((void *)(uintptr_t)e, &x);
    return x.out;
}

static bool
collect_rels(void *n, void *arg)
{
    if (IS(n, Var)) {
        const Var *v = n;
        if (v->levels_up == 0 && v->rel > 0)
            *(RelSet *)arg |= REL_BIT(v->rel);
        return false;
    }
    if (IS(n, CurrentOf))
        *(RelSet *)arg |= REL_BIT(((CurrentOf *)n)->rel);
    return node_walk_children(n, collect_rels, arg, false);
}

RelSet
expr_rels(const void *e)
{
    RelSet s = 0;
    if (e)
        collect_rels((void *)(uintptr_t)e, &s);
    return s;
}

Expr *
lookup_sort_ref(const List *targets, int ref)
{
    for (int i = 0; i < list_count(targets); i++) {
        TargetEntry *te = targets->items[i];
        if (te->sort_ref == ref)
            return te->expr;
    }
    INTERNAL_ERROR("ORDER/GROUP BY expression not found in targetlist");
}

int
type_width(Oid type, int32_t typmod)
{
    const TypeInfo *t = type_info(type);
    if (t->typlen > 0)
        return t->typlen;
    if ((type == VARCHAR_OID || type == BPCHAR_OID) && typmod > 4) {
        int n = typmod - 4;
        return type == BPCHAR_OID ? n : n <= 32 ? n : n < 1000 ? 32 + (n - 32) / 2 : 32 + (1000 - 32) / 2;
    }
    return 32;
}
