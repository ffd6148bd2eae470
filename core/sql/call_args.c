/*
 * Arguments of calls as written and as run. A stored tree keeps a call as it was written: named arguments
 * in their order, defaults left out (they may change until it runs). Before it runs, the planner and
 * the compiler of expressions complete it.
 */
#include "core/catalog/catalog.h"
#include "core/sql/tree.h"

static bool
is_complete(const FuncCall *f, const FnInfo *info)
{
    if (list_count(f->args) < info->nargs && info->default_tree != NULL)
        return false;
    for (int i = 0; i < list_count(f->args); i++)
        if (IS(f->args->items[i], NamedArg))
            return false;
    return true;
}

FuncCall *
call_complete(Arena *a, FuncCall *f)
{
    const FnInfo *info = fn_info(f->fn);

    if (LIKELY(is_complete(f, info)))
        return f;
    List *defaults = info->default_tree ? node_read_list(a, info->default_tree) : list_new(a);
    void *slots[MAX_FN_ARGS] = {NULL};
    int n = MAX(list_count(f->args), info->nargs), first_default = info->nargs - defaults->count;

    for (int i = 0; i < list_count(f->args); i++) {
        NamedArg *x = f->args->items[i];
        if (IS(x, NamedArg))
            slots[x->number] = x->arg;
        else
            slots[i] = x;
    }
    FuncCall *out = arena_memdup(a, f, sizeof *f);
    out->args = list_new(a);
    for (int i = 0; i < n; i++) {
        if (slots[i] == NULL && (i < first_default || i >= info->nargs))
            INTERNAL_ERROR("function %s lacks argument %d", info->name, i + 1);
        list_push(out->args, slots[i] ? slots[i] : node_copy(a, defaults->items[i - first_default]));
    }
    return out;
}
