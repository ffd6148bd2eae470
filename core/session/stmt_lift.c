/*
 * Lifting: the text of a statement with its literals taken out as parameters, where the statement with
 * parameters is provably the same one:
 *   - one SELECT, INSERT, UPDATE or DELETE, without words that give a literal's place a meaning of its own
 *     (ORDER, GROUP: ordinals; INTERVAL and other typed literals; LIMIT, FETCH ...: planner hints);
 *   - a number becomes a parameter of the type the number would have, a string one whose type analysis
 *     infers just as for an untyped literal.
 * If anything about the lifted form fails, the text takes the ordinary way and is not tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session/session_internal.h"

static bool
word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool
forbidden_word(const char *w, size_t n)
{
    static const char *const words[] = {"order", "group", "distinct", "interval", "limit", "offset", "fetch", "with", "returning", "conflict", "window", "over",
                                        "as", "union", "intersect", "except", "cast", "date", "time", "timestamp", "timestamptz", "collate", "at", "create", "overlay", "escape", "uescape"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], w, n) == 0)
            return true;
    return false;
}

/* The type a literal has by itself: 's' untyped string, 'i' int4, 'l' int8. */
static char
literal_kind(const Literal *t)
{
    if (t->string)
        return 's';
    return strtoll(t->start, NULL, 10) > INT32_MAX ? 'l' : 'i';
}

bool
stmt_lift(const char *text, Lifted *out, Arena *a)
{
    const char *p = text;
    while (*p == ' ' || *p == '\n' || *p == '\t')
        p++;
    if (strncasecmp(p, "select", 6) != 0 && strncasecmp(p, "insert", 6) != 0 && strncasecmp(p, "update", 6) != 0 && strncasecmp(p, "delete", 6) != 0)
        return false;
    str_init(&out->text, a);
    out->n = 0;
    bool after_word = false; /* a string right after a word may be a typed literal */
    while (*p) {
        if (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r') {
            str_add_char(&out->text, *p++);
            continue;
        }
        if (word_char(*p) && !(*p >= '0' && *p <= '9')) {
            const char *s = p;
            while (word_char(*p))
                p++;
            if (forbidden_word(s, (size_t)(p - s)))
                return false;
            str_add_bytes(&out->text, s, (size_t)(p - s));
            /* keywords that surely end an expression's left side are safe before a string */
            size_t n = (size_t)(p - s);
            static const char *const safe[] = {"where", "and", "or", "not", "in", "like", "ilike", "values", "between", "set", "select", "then", "else", "when"};
            after_word = true;
            for (size_t i = 0; i < COUNT_OF(safe); i++)
                if (strlen(safe[i]) == n && strncasecmp(safe[i], s, n) == 0)
                    after_word = false;
            continue;
        }
        if (*p >= '0' && *p <= '9') {
            const char *s = p;
            while (*p >= '0' && *p <= '9')
                p++;
            if (word_char(*p) || *p == '.' || (s > text && (s[-1] == '.' || s[-1] == '$')))
                return false; /* decimals and exponents: left to the ordinary way */
            if (out->n == LIFT_MAX || p - s > 18)
                return false;
            out->lits[out->n++] = (Literal){s, (size_t)(p - s), false};
            if (strtoll(s, NULL, 10) == INT64_C(2147483648))
                return false; /* with a minus before it the grammar makes an int4 of it */
            str_printf(&out->text, "$%d", out->n);
            after_word = true;
            continue;
        }
        if (*p == '\'') {
            if (after_word || out->n == LIFT_MAX || (p > text && (p[-1] == '&' || word_char(p[-1]))))
                return false;
            const char *s = ++p;
            while (*p && *p != '\'') {
                if (*p == '\\')
                    return false;
                p++;
            }
            if (*p == '\0' || p[1] == '\'')
                return false;
            out->lits[out->n++] = (Literal){s, (size_t)(p - s), true};
            p++;
            const char *q = p;
            while (*q == ' ' || *q == '\n' || *q == '\t' || *q == '\r')
                q++;
            if (*q == '\'') /* continued literal */
                return false;
            str_printf(&out->text, "$%d", out->n);
            after_word = true;
            continue;
        }
        if (*p == '"' || *p == ';' || *p == '$' || *p == '\\' || (*p == '-' && p[1] == '-') || (*p == '/' && p[1] == '*') || *p == '[' || *p == ':') {
            if (*p == ';') { /* trailing only */
                const char *q = p + 1;
                while (*q == ' ' || *q == '\n' || *q == '\t' || *q == '\r')
                    q++;
                if (*q == '\0')
                    break;
            }
            return false;
        }
        after_word = *p == ')';
        str_add_char(&out->text, *p++);
    }
    if (out->n == 0)
        return false;
    StrBuf key;
    str_init(&key, a);
    str_add_bytes(&key, out->text.data, out->text.len);
    str_add_char(&key, '\1'); /* stands in no text that could be parsed */
    for (int i = 0; i < out->n; i++)
        str_add_char(&key, literal_kind(&out->lits[i]));
    out->key = key.data;
    return true;
}

ParamValues *
stmt_lift_params(const CachedPlan *p, const Lifted *l, Arena *a)
{
    ParamValues *v = ARENA_NEW(a, ParamValues);
    v->count = l->n;
    v->types = p->params.types;
    v->values = ARENA_ARRAY(a, Datum, l->n + 1);
    v->nulls = ARENA_ARRAY(a, bool, l->n + 1);
    for (int i = 0; i < l->n; i++) {
        const Literal *t = &l->lits[i];
        if (!t->string) {
            v->values[i] = int64_datum(strtoll(t->start, NULL, 10));
            continue;
        }
        const TypeInfo *ti = type_info(type_base(v->types[i], NULL));
        if (ti->ops == NULL)
            return NULL;
        bool argnull[3] = {false};
        FnCtx c = {.arena = a, .state_arena = a, .ret_type = ti->oid, .ret_typmod = -1, .argnull = argnull, .collation = ti->collation};
        char *z = arena_strndup(a, t->start, t->len);
        v->values[i] = ti->ops->in(&c, z, t->len, ti->elem, -1);
    }
    return v;
}

CachedPlan *
stmt_lift_plan(const Lifted *l)
{
    CachedPlan *p = cached_plan_new("lifted statement");
    CachedPlan *volatile result = NULL;
    ERR_TRY
    {
        char *text = arena_strdup(p->arena, l->text.data);
        List *raws = sql_parse(p->arena, text);
        Oid types[LIFT_MAX];
        for (int i = 0; i < l->n; i++) {
            char kind = literal_kind(&l->lits[i]);
            types[i] = kind == 's' ? 0 : kind == 'l' ? INT8_OID : INT4_OID;
        }
        if (raws->count == 1 && !sql_has_notices(text)) {
            cached_plan_init(p, text, raws->items[0], types, l->n, true);
            cached_plan_ready(p);
            bool known = p->params.count == l->n;
            for (int i = 0; i < p->params.count; i++)
                known = known && p->params.types[i] != 0 && p->params.types[i] != UNKNOWN_OID;
            if (known)
                result = p;
        }
    }
    ERR_CATCH
    {
        err_clear();
    }
    ERR_END;
    if (result == NULL)
        cached_plan_release(p);
    return result;
}
