/*
 * Constants: a literal in the form that reads back as the same value of the same type.
 */
#include "core/sql/deparse/deparse_internal.h"

static char *
value_text(Arena *a, const Const *c)
{
    StrBuf s;
    str_init(&s, a);
    if (c->expr.type == UNKNOWN_OID) {
        str_add_bytes(&s, var_data(c->value), var_len(c->value));
        return s.data;
    }
    const TypeInfo *t = type_info(c->expr.type);
    if (t->ops == NULL || t->ops->out == NULL)
        RAISE(SQLSTATE_FEATURE_NOT_SUPPORTED, "type %s cannot be printed", type_format(a, c->expr.type, -1, false));
    Oid arg_types[1] = {c->expr.type};
    bool argnull[1] = {false};
    FnCtx f = {.arena = a, .state_arena = a, .nargs = 1, .arg_types = arg_types, .argnull = argnull, .ret_type = c->expr.type, .ret_typmod = c->expr.typmod};
    t->ops->out(&f, c->value, &s);
    return s.data;
}

static void
put_label(Deparse *d, const Const *c)
{
    str_printf(d->out, "::%s", type_text(d->arena, c->expr.type, c->expr.typmod));
}

static void
put_const_collation(Deparse *d, const Const *c)
{
    if (c->expr.collation == 0 || c->expr.type == UNKNOWN_OID)
        return;
    if (c->expr.collation != type_info(c->expr.type)->collation)
        str_printf(d->out, " COLLATE %s", collation_name(d->arena, c->expr.collation));
}

void
put_const(Deparse *d, const Const *c, int show_type)
{
    if (c->isnull) {
        put(d, "NULL");
        if (show_type >= 0) {
            put_label(d, c);
            put_const_collation(d, c);
        }
        return;
    }
    const char *text = value_text(d->arena, c);
    bool label = true;
    switch (c->expr.type) {
    case INT4_OID: /* a sign before a number would be an operator */
        label = text[0] == '-';
        put(d, label ? arena_printf(d->arena, "'%s'", text) : text);
        break;
    case NUMERIC_OID: /* without a point it would be an integer */
        label = !(text[0] >= '0' && text[0] <= '9') || strpbrk(text, "eE.") == NULL;
        put(d, label ? arena_printf(d->arena, "'%s'", text) : text);
        label |= c->expr.typmod >= 0;
        break;
    case BOOL_OID:
        put(d, text[0] == 't' ? "true" : "false");
        label = false;
        break;
    case UNKNOWN_OID: label = false; /* fallthrough */
    default: put(d, quote_literal(d->arena, text)); break;
    }
    if (show_type < 0)
        return;
    if (label || show_type > 0)
        put_label(d, c);
    put_const_collation(d, c);
}
