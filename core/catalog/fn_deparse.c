/*
 * pg_get_...def: catalog rows back to SQL. The work is core/sql's (deparse_hooks.h).
 */
#include "core/catalog/deparse_hooks.h"
#include "core/catalog/fn_util.h"

#define HOOK(which)                                                                                  \
    do {                                                                                             \
        if (UNLIKELY(!deparse_hooks.which))                                                           \
            UNSUPPORTED("%s is not available here", fn_info(c->fn_oid)->name);                       \
    } while (0)

static bool
pretty_arg(FnCtx *c, const Datum *args, int i)
{
    return c->nargs > i && datum_bool(args[i]);
}

Datum
fnc_get_expr(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(expr);
    return text_or_null(c, deparse_hooks.expr(c->arena, text_arg(c, args[0]), datum_oid(args[1]), pretty_arg(c, args, 2)), isnull);
}

Datum
fnc_get_viewdef(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid view = declared_arg(c, 0) == OID_OID ? datum_oid(args[0]) : reg_in(c->arena, REGCLASS_OID, text_arg(c, args[0]), false);
    bool pretty = false;
    int wrap = 0;

    HOOK(view);
    if (c->nargs > 1) {
        if (declared_arg(c, 1) == BOOL_OID) {
            pretty = datum_bool(args[1]);
        } else {
            pretty = true;
            wrap = datum_int32(args[1]);
        }
    }
    return text_or_null(c, deparse_hooks.view(c->arena, view, pretty, wrap), isnull);
}

Datum
fnc_get_indexdef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(index);
    return text_or_null(c, deparse_hooks.index(c->arena, datum_oid(args[0]), c->nargs > 1 ? datum_int32(args[1]) : 0, pretty_arg(c, args, 2)), isnull);
}

Datum
fnc_get_constraintdef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(constraint);
    return text_or_null(c, deparse_hooks.constraint(c->arena, datum_oid(args[0]), pretty_arg(c, args, 1)), isnull);
}

Datum
fnc_get_ruledef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(rule);
    return text_or_null(c, deparse_hooks.rule(c->arena, datum_oid(args[0]), pretty_arg(c, args, 1)), isnull);
}

Datum
fnc_get_triggerdef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(trigger);
    return text_or_null(c, deparse_hooks.trigger(c->arena, datum_oid(args[0]), pretty_arg(c, args, 1)), isnull);
}

Datum
fnc_get_functiondef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(function);
    return text_or_null(c, deparse_hooks.function(c->arena, datum_oid(args[0])), isnull);
}

Datum
fnc_get_function_arguments(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(function_arguments);
    return text_or_null(c, deparse_hooks.function_arguments(c->arena, datum_oid(args[0]), false), isnull);
}

Datum
fnc_get_function_identity_arguments(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(function_arguments);
    return text_or_null(c, deparse_hooks.function_arguments(c->arena, datum_oid(args[0]), true), isnull);
}

Datum
fnc_get_function_result(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(function_result);
    return text_or_null(c, deparse_hooks.function_result(c->arena, datum_oid(args[0])), isnull);
}

/* No function in the catalogs has defaults or an SQL body. */
Datum fnc_get_function_arg_default(FnCtx *c, const Datum *args, bool *isnull) { return null_datum(isnull); }
Datum fnc_get_function_sqlbody(FnCtx *c, const Datum *args, bool *isnull) { return null_datum(isnull); }
/* No table is a partition. */
Datum fnc_get_partition_constraintdef(FnCtx *c, const Datum *args, bool *isnull) { return null_datum(isnull); }

Datum
fnc_get_partkeydef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(partkey);
    return text_or_null(c, deparse_hooks.partkey(c->arena, datum_oid(args[0])), isnull);
}

Datum
fnc_get_statisticsobjdef(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(statistics);
    return text_or_null(c, deparse_hooks.statistics(c->arena, datum_oid(args[0]), false), isnull);
}

Datum
fnc_get_statisticsobjdef_columns(FnCtx *c, const Datum *args, bool *isnull)
{
    HOOK(statistics);
    return text_or_null(c, deparse_hooks.statistics(c->arena, datum_oid(args[0]), true), isnull);
}

Datum fnc_get_statisticsobjdef_expressions(FnCtx *c, const Datum *args, bool *isnull) { return null_datum(isnull); }
