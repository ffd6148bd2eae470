/*
 * Comparison of records as SQL functions. What a record is, the executor knows (it registers the TypeOps):
 * these only ask it, so that the operators are found like all others.
 */
#include "core/types/type.h"

static int
compare(const Datum *args)
{
    return type_ops(RECORD_OID)->cmp(args[0], args[1], COLLATION_DEFAULT);
}

static bool
equal(const Datum *args)
{
    return type_ops(RECORD_OID)->eq(args[0], args[1], COLLATION_DEFAULT);
}

Datum fn_record_eq(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(equal(args)); }
Datum fn_record_ne(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(!equal(args)); }
Datum fn_record_lt(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(compare(args) < 0); }
Datum fn_record_gt(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(compare(args) > 0); }
Datum fn_record_le(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(compare(args) <= 0); }
Datum fn_record_ge(FnCtx *c, const Datum *args, bool *isnull) { return bool_datum(compare(args) >= 0); }

Datum
fn_btrecordcmp(FnCtx *c, const Datum *args, bool *isnull)
{
    int r = compare(args);

    return int32_datum(r < 0 ? -1 : r > 0);
}
