/*
 * Sequences as SQL sees them. Values reserved ahead (CACHE n) and the last value given out are the
 * session's own and live in a small table by OID; they are forgotten when the sequence is made anew
 * (another file) or set.
 */
#include <inttypes.h>

#include "core/base/hash.h"
#include "core/catalog/fn_util.h"

typedef struct SeqSession {
    Oid oid;
    Oid filenode;      /* the cached values belong to it */
    int64_t last;      /* last value given to this session */
    int64_t cached;    /* last value reserved */
    int64_t increment;
    bool has_last;
} SeqSession;

static SeqSession *slots;
static uint32_t slot_mask, used;
static Oid last_used;

static SeqSession *
slot_of(Oid oid)
{
    uint32_t i;

    if (!slots || used * 2 > slot_mask) {
        SeqSession *old = slots;
        uint32_t n = slots ? slot_mask + 1 : 0, bigger = n ? n * 2 : 64;

        slots = ARENA_ARRAY(arena_top(), SeqSession, bigger);
        slot_mask = bigger - 1;
        used = 0;
        for (uint32_t k = 0; k < n; k++)
            if (old[k].oid)
                *slot_of(old[k].oid) = old[k];
    }
    for (i = (uint32_t)hash_u64(oid) & slot_mask; slots[i].oid && slots[i].oid != oid; i = (i + 1) & slot_mask)
        ;
    if (!slots[i].oid) {
        slots[i].oid = oid;
        used++;
    }
    return &slots[i];
}

void
sequence_discard(void)
{
    if (slots)
        memset(slots, 0, sizeof *slots * (slot_mask + 1));
    used = 0;
    last_used = 0;
}

static RelDesc *
open_sequence(Oid oid, LockMode lock)
{
    RelDesc *d = rel_open(oid, lock);

    if (UNLIKELY(d->kind != 'S'))
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", d->name);
    return d;
}

static void
require(const RelDesc *d, uint32_t any_of)
{
    if (!role_is_superuser(current_user_oid) && acl_object_mask(CAT_PG_CLASS, d->oid, current_user_oid, any_of) == 0)
        RAISE(SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied for sequence %s", d->name);
}

static void
require_writable(const RelDesc *d, const char *fn)
{
    if (txn_read_only && d->persistence != 't')
        RAISE(SQLSTATE_READ_ONLY_SQL_TRANSACTION, "cannot execute %s in a read-only transaction", fn);
}

int64_t
sequence_next(Oid oid, bool check_privileges)
{
    RelDesc *d = open_sequence(oid, LOCK_ROW_EXCLUSIVE);
    SeqSession *s;

    if (check_privileges)
        require(d, ACL_USAGE | ACL_UPDATE);
    require_writable(d, "nextval()");
    s = slot_of(oid);
    if (s->filenode != d->heap.locator.rel) {
        s->filenode = d->heap.locator.rel;
        s->last = s->cached = 0;
        s->has_last = false;
    }
    if (s->last != s->cached) { /* one of those reserved before */
        s->last += s->increment;
    } else {
        s->last = seq_next(&d->heap, d->sequence, &s->cached);
        s->increment = d->sequence->increment;
    }
    s->has_last = true;
    last_used = oid;
    return s->last;
}

Datum
fnc_nextval(FnCtx *c, const Datum *args, bool *isnull)
{
    return int64_datum(sequence_next(datum_oid(args[0]), true));
}

static int64_t
current_value(Oid oid)
{
    RelDesc *d = open_sequence(oid, LOCK_ACCESS_SHARE);
    SeqSession *s = slot_of(oid);

    require(d, ACL_SELECT | ACL_USAGE);
    if (!s->has_last)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "currval of sequence \"%s\" is not yet defined in this session", d->name);
    return s->last;
}

Datum
fnc_currval(FnCtx *c, const Datum *args, bool *isnull)
{
    return int64_datum(current_value(datum_oid(args[0])));
}

Datum
fnc_lastval(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = last_used ? rel_try_open(last_used, LOCK_ACCESS_SHARE) : NULL;

    if (!d)
        RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session");
    return int64_datum(current_value(last_used));
}

Datum
fnc_setval(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid oid = datum_oid(args[0]);
    int64_t value = datum_int64(args[1]);
    bool called = c->nargs < 3 || datum_bool(args[2]);
    RelDesc *d = open_sequence(oid, LOCK_ROW_EXCLUSIVE);
    SeqSession *s = slot_of(oid);

    require(d, ACL_UPDATE);
    require_writable(d, "setval()");
    if (value < d->sequence->min || value > d->sequence->max)
        RAISE(SQLSTATE_NUMERIC_VALUE_OUT_OF_RANGE, "setval: value %" PRId64 " is out of bounds for sequence \"%s\" (%" PRId64 "..%" PRId64 ")", value,
              d->name, d->sequence->min, d->sequence->max);
    if (called) {
        s->last = value;
        s->has_last = true;
        s->filenode = d->heap.locator.rel;
    }
    s->cached = s->last;
    seq_set(&d->heap, d->sequence, value, called);
    return args[1];
}

Datum
fnc_sequence_last_value(FnCtx *c, const Datum *args, bool *isnull)
{
    RelDesc *d = open_sequence(datum_oid(args[0]), LOCK_ACCESS_SHARE);
    SeqState st;

    require(d, ACL_SELECT | ACL_USAGE);
    st = seq_read(&d->heap);
    return st.is_called ? int64_datum(st.last_value) : null_datum(isnull);
}

bool
setc_sequence_parameters(FnCtx *c, const Datum *args, Datum *out, bool *outnull)
{
    FnRows *rows = fn_rows_begin(c, 7);

    if (rows) {
        RelDesc *d = open_sequence(datum_oid(args[0]), LOCK_ACCESS_SHARE);
        const CatRow *r;
        Datum *v;
        bool *n;

        require(d, ACL_SELECT | ACL_UPDATE | ACL_USAGE);
        r = cat_get(IDX_PG_SEQUENCE_SEQRELID_INDEX, args[0], 0, 0, 0);
        if (!r)
            INTERNAL_ERROR("cache lookup failed for sequence %u", datum_oid(args[0]));
        fn_rows_add(rows, &v, &n);
        ROW_SET(0, cat_val(r, PG_SEQUENCE_SEQSTART));
        ROW_SET(1, cat_val(r, PG_SEQUENCE_SEQMIN));
        ROW_SET(2, cat_val(r, PG_SEQUENCE_SEQMAX));
        ROW_SET(3, cat_val(r, PG_SEQUENCE_SEQINCREMENT));
        ROW_SET(4, cat_val(r, PG_SEQUENCE_SEQCYCLE));
        ROW_SET(5, cat_val(r, PG_SEQUENCE_SEQCACHE));
        ROW_SET(6, cat_val(r, PG_SEQUENCE_SEQTYPID));
    }
    return fn_rows_next(c, out, outnull);
}

/* The sequence behind a serial or identity column: owned by it (automatic or internal). */
Datum
fnc_get_serial_sequence(FnCtx *c, const Datum *args, bool *isnull)
{
    Oid rel = reg_in(c->arena, REGCLASS_OID, text_arg(c, args[0]), false), seq = 0;
    char *column = text_arg(c, args[1]);
    RelDesc *d = rel_open(rel, LOCK_ACCESS_SHARE);
    int attnum = rel_attnum(d, column);
    Datum keys[3] = {oid_datum(CAT_PG_CLASS), oid_datum(rel), int32_datum(attnum)};
    CatScan *s;
    const CatRow *r;

    if (attnum == 0)
        RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", column, d->name);
    s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 3, keys);
    while (!seq && (r = cat_scan_next(s)) != NULL) {
        char type = cat_char(r, PG_DEPEND_DEPTYPE);

        if (cat_oid(r, PG_DEPEND_CLASSID) == CAT_PG_CLASS && (type == 'a' || type == 'i')) {
            const CatRow *k = cat_get_by_oid(CAT_PG_CLASS, cat_oid(r, PG_DEPEND_OBJID));

            if (k && cat_char(k, PG_CLASS_RELKIND) == 'S')
                seq = cat_oid(r, PG_DEPEND_OBJID);
        }
    }
    cat_scan_end(s);
    if (!seq)
        return null_datum(isnull);
    r = cat_get_by_oid(CAT_PG_CLASS, seq);
    return text_datum(c, name_qualified(c->arena, cat_oid(r, PG_CLASS_RELNAMESPACE), cat_name(c->arena, r, PG_CLASS_RELNAME), false));
}
