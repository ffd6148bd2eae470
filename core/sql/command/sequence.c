/*
 * Sequences: CREATE and ALTER SEQUENCE, ownership by columns. Parameters are a row of pg_sequence; the
 * running value is the sequence's own relation (core/access/sequence).
 */
#include "core/sql/command/command_internal.h"

typedef struct SeqOptions {
    Oid type;
    bool type_changed;
    SeqParams p;
    int64_t last_value;
    bool is_called, state_changed, reset_max, reset_min;
    const PgQuery__DefElem *owned_by;
} SeqOptions;

static int64_t type_max(Oid t) { return t == INT2_OID ? INT16_MAX : t == INT4_OID ? INT32_MAX : INT64_MAX; }
static int64_t type_min(Oid t) { return t == INT2_OID ? INT16_MIN : t == INT4_OID ? INT32_MIN : INT64_MIN; }

typedef struct Given {
    const PgQuery__DefElem *as, *start, *restart, *increment, *max, *min, *cache, *cycle, *owned;
    bool any;
} Given;

static void
collect(CommandContext *c, PNode **options, size_t n, Given *g, bool for_identity)
{
    for (size_t i = 0; i < n; i++) {
        const PgQuery__DefElem *d = options[i]->def_elem, **slot;
        if (strcmp(d->defname, "as") == 0) slot = &g->as;
        else if (strcmp(d->defname, "start") == 0) slot = &g->start;
        else if (strcmp(d->defname, "restart") == 0) slot = &g->restart;
        else if (strcmp(d->defname, "increment") == 0) slot = &g->increment;
        else if (strcmp(d->defname, "maxvalue") == 0) slot = &g->max;
        else if (strcmp(d->defname, "minvalue") == 0) slot = &g->min;
        else if (strcmp(d->defname, "cache") == 0) slot = &g->cache;
        else if (strcmp(d->defname, "cycle") == 0) slot = &g->cycle;
        else if (strcmp(d->defname, "owned_by") == 0) slot = &g->owned;
        else if (strcmp(d->defname, "sequence_name") == 0 && for_identity) continue;
        else if (strcmp(d->defname, "sequence_name") == 0)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "invalid sequence option SEQUENCE NAME");
        else
            INTERNAL_ERROR("option \"%s\" not recognized", d->defname);
        if (*slot)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "conflicting or redundant options");
        if (slot == &g->as && for_identity)
            RAISE_AT(SQLSTATE_SYNTAX_ERROR, d->location, "identity column type must not be given");
        *slot = d;
        g->any |= slot != &g->owned;
    }
}

static bool
has_value(const PgQuery__DefElem *d)
{
    return d && d->arg && d->arg->node_case != PG_QUERY__NODE__NODE__NOT_SET;
}

static void
apply_type(CommandContext *c, const Given *g, SeqOptions *o, bool is_new)
{
    if (g->as == NULL)
        return;
    Oid type;
    sql_resolve_type_name(g->as->arg->type_name, c->text, &type, NULL);
    type = type_base(type, NULL);
    if (type != INT2_OID && type != INT4_OID && type != INT8_OID)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "sequence type must be smallint, integer, or bigint");
    if (!is_new) {
        /* A bound that was the old type's becomes the new type's. */
        if (o->p.max == type_max(o->type) && o->p.increment > 0)
            o->reset_max = true;
        if (o->p.min == type_min(o->type) && o->p.increment < 0)
            o->reset_min = true;
    }
    o->type = type;
    o->type_changed = true;
}

static void
apply_bounds(const Given *g, SeqOptions *o, bool is_new)
{
    SeqParams *p = &o->p;

    if (has_value(g->max))
        p->max = def_int64(g->max);
    else if (is_new || g->max || o->reset_max)
        p->max = p->increment > 0 || o->reset_max ? type_max(o->type) : -1;
    if (p->max > type_max(o->type) || p->max < type_min(o->type))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "MAXVALUE (%lld) is out of range for sequence data type %s", (long long)p->max, type_format(txn_arena(), o->type, -1, false));
    if (has_value(g->min))
        p->min = def_int64(g->min);
    else if (is_new || g->min || o->reset_min)
        p->min = p->increment < 0 || o->reset_min ? type_min(o->type) : 1;
    if (p->min > type_max(o->type) || p->min < type_min(o->type))
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "MINVALUE (%lld) is out of range for sequence data type %s", (long long)p->min, type_format(txn_arena(), o->type, -1, false));
    if (p->min >= p->max)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "MINVALUE (%lld) must be less than MAXVALUE (%lld)", (long long)p->min, (long long)p->max);
}

static void
apply_start(const Given *g, SeqOptions *o, bool is_new)
{
    SeqParams *p = &o->p;

    if (has_value(g->start))
        p->start = def_int64(g->start);
    else if (is_new)
        p->start = p->increment > 0 ? p->min : p->max;
    if (p->start < p->min)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "START value (%lld) cannot be less than MINVALUE (%lld)", (long long)p->start, (long long)p->min);
    if (p->start > p->max)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "START value (%lld) cannot be greater than MAXVALUE (%lld)", (long long)p->start, (long long)p->max);
    if (g->restart) {
        o->last_value = has_value(g->restart) ? def_int64(g->restart) : p->start;
        o->is_called = false;
        o->state_changed = true;
    } else if (is_new) {
        o->last_value = p->start;
        o->is_called = false;
    }
    if (o->last_value < p->min)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "RESTART value (%lld) cannot be less than MINVALUE (%lld)", (long long)o->last_value, (long long)p->min);
    if (o->last_value > p->max)
        RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "RESTART value (%lld) cannot be greater than MAXVALUE (%lld)", (long long)o->last_value, (long long)p->max);
}

static void
apply_options(CommandContext *c, PNode **options, size_t n, SeqOptions *o, bool is_new, bool for_identity)
{
    Given g = {0};

    collect(c, options, n, &g, for_identity);
    apply_type(c, &g, o, is_new);
    if (g.increment) {
        o->p.increment = def_int64(g.increment);
        if (o->p.increment == 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "INCREMENT must not be zero");
    } else if (is_new)
        o->p.increment = 1;
    if (g.cycle)
        o->p.cycle = def_bool(g.cycle);
    apply_bounds(&g, o, is_new);
    apply_start(&g, o, is_new);
    if (g.cache) {
        o->p.cache = def_int64(g.cache);
        if (o->p.cache <= 0)
            RAISE(SQLSTATE_INVALID_PARAMETER_VALUE, "CACHE (%lld) must be greater than zero", (long long)o->p.cache);
    } else if (is_new)
        o->p.cache = 1;
    o->owned_by = g.owned;
}

static void
store_params(RowEdit *row, const SeqOptions *o)
{
    row_set(row, PG_SEQUENCE_SEQTYPID, oid_datum(o->type));
    row_set(row, PG_SEQUENCE_SEQSTART, int64_datum(o->p.start));
    row_set(row, PG_SEQUENCE_SEQINCREMENT, int64_datum(o->p.increment));
    row_set(row, PG_SEQUENCE_SEQMAX, int64_datum(o->p.max));
    row_set(row, PG_SEQUENCE_SEQMIN, int64_datum(o->p.min));
    row_set(row, PG_SEQUENCE_SEQCACHE, int64_datum(o->p.cache));
    row_set(row, PG_SEQUENCE_SEQCYCLE, bool_datum(o->p.cycle));
}

/* ---- ownership ---- */

void
sequence_own(Oid sequence, Oid rel, int attnum, char type)
{
    depend_add((ObjAddr){CAT_PG_CLASS, sequence, 0}, (ObjAddr){CAT_PG_CLASS, rel, attnum}, type);
    txn_command_increment();
}

/* The column that owns the sequence: 0 none. */
static Oid
owner_of(Oid sequence, char type, int *attnum)
{
    Datum keys[3] = {oid_datum(CAT_PG_CLASS), oid_datum(sequence), int32_datum(0)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_DEPENDER_INDEX, 3, keys);
    const CatRow *r;
    Oid rel = 0;

    while ((r = cat_scan_next(s)) != NULL) {
        char t = (char)cat_val(r, PG_DEPEND_DEPTYPE);
        if (datum_oid(cat_val(r, PG_DEPEND_REFCLASSID)) == CAT_PG_CLASS && datum_int32(cat_val(r, PG_DEPEND_REFOBJSUBID)) > 0 && t == type) {
            rel = datum_oid(cat_val(r, PG_DEPEND_REFOBJID));
            *attnum = datum_int32(cat_val(r, PG_DEPEND_REFOBJSUBID));
        }
    }
    cat_scan_end(s);
    return rel;
}

Oid
sequence_of_column(Oid rel, int attnum, char type)
{
    Datum keys[3] = {oid_datum(CAT_PG_CLASS), oid_datum(rel), int32_datum(attnum)};
    CatScan *s = cat_scan_begin(CAT_PG_DEPEND, IDX_PG_DEPEND_REFERENCE_INDEX, 3, keys);
    const CatRow *r;
    Oid found = 0;

    while (found == 0 && (r = cat_scan_next(s)) != NULL) {
        char t = (char)cat_val(r, PG_DEPEND_DEPTYPE);
        if (datum_oid(cat_val(r, PG_DEPEND_CLASSID)) != CAT_PG_CLASS || (type ? t != type : t != 'a' && t != 'i'))
            continue;
        Oid oid = datum_oid(cat_val(r, PG_DEPEND_OBJID));
        const CatRow *k = cat_get_by_oid(CAT_PG_CLASS, oid);
        if (k && (char)cat_val(k, PG_CLASS_RELKIND) == 'S')
            found = oid;
    }
    cat_scan_end(s);
    return found;
}

static void
process_owned_by(RelDesc *seq, const PgQuery__DefElem *d, bool for_identity)
{
    if (d == NULL)
        return;
    PNode **names = d->arg->list->items;
    size_t n = d->arg->list->n_items;
    int att = 0;
    Oid rel_oid = 0;

    if (n == 1) {
        if (strcmp(pnode_string(names[0]), "none") != 0)
            RAISE_ERR(SQLSTATE_SYNTAX_ERROR, err_message("invalid OWNED BY option"), err_hint("Specify OWNED BY table.column or OWNED BY NONE."));
    } else {
        const char *nsp, *name;
        names_split(names, n - 1, &nsp, &name);
        rel_oid = rel_lookup(nsp, name);
        if (rel_oid == 0)
            RAISE(SQLSTATE_UNDEFINED_TABLE, "relation \"%s\" does not exist", names_text(txn_arena(), names, n - 1));
        RelDesc *rel = rel_open(rel_oid, LOCK_ACCESS_SHARE);
        if (strchr("rfvp", rel->kind) == NULL)
            RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "sequence cannot be owned by relation \"%s\"", rel->name);
        if (rel->owner != seq->owner)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must have same owner as table it is linked to");
        if (rel->nsp != seq->nsp)
            RAISE(SQLSTATE_OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must be in same schema as table it is linked to");
        att = rel_attnum(rel, pnode_string(names[n - 1]));
        if (att <= 0)
            RAISE(SQLSTATE_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist", pnode_string(names[n - 1]), rel->name);
    }
    int old_att = 0;
    Oid old = owner_of(seq->oid, 'i', &old_att);
    if (!for_identity && old)
        RAISE_ERR(SQLSTATE_FEATURE_NOT_SUPPORTED, err_message("cannot change ownership of identity sequence"),
                  err_detail("Sequence \"%s\" is linked to table \"%s\".", seq->name, rel_open(old, LOCK_ACCESS_SHARE)->name));
    depend_delete_for((ObjAddr){CAT_PG_CLASS, seq->oid, 0}, 'a');
    if (rel_oid)
        sequence_own(seq->oid, rel_oid, att, 'a');
}

/* ---- creation ---- */

Oid
sequence_make(CommandContext *c, const char *name, Oid nsp, char persistence, PNode **options, size_t n, Oid default_type, Oid owner, bool for_identity)
{
    static const NewColumn columns[] = {
        {.name = "last_value", .type = INT8_OID, .typmod = -1, .not_null = true},
        {.name = "log_cnt", .type = INT8_OID, .typmod = -1, .not_null = true},
        {.name = "is_called", .type = BOOL_OID, .typmod = -1, .not_null = true},
    };
    SeqOptions o = {.type = default_type ? default_type : INT8_OID};

    apply_options(c, options, n, &o, true, for_identity);
    Oid oid = rel_create(name, nsp, 'S', persistence, owner ? owner : current_user_oid, columns, 3, 0, 0, 0);
    RowEdit *row = row_new(c->arena, CAT_PG_SEQUENCE);
    row_set(row, PG_SEQUENCE_SEQRELID, oid_datum(oid));
    store_params(row, &o);
    row_insert(row);
    RelDesc *seq = rel_open(oid, LOCK_ACCESS_EXCLUSIVE);
    seq_create(&seq->heap, &o.p, o.last_value, o.is_called);
    rel_invalidate(oid);
    txn_command_increment();
    if (o.owned_by)
        process_owned_by(rel_open_again(oid), o.owned_by, for_identity);
    return oid;
}

void
cmd_create_sequence(CommandContext *c, const PgQuery__CreateSeqStmt *s)
{
    const PgQuery__RangeVar *rv = s->sequence;
    char persistence = GIVEN(rv->relpersistence) ? rv->relpersistence[0] : 'p';

    if (persistence == 'u')
        UNSUPPORTED("unlogged sequences are not supported");
    range_var_check_catalog(rv);
    Oid nsp = nsp_for_creation(GIVEN(rv->schemaname) ? rv->schemaname : NULL, persistence == 't');
    if (nsp_is_temp(nsp))
        persistence = 't';
    if (rel_lookup(nsp_name(c->arena, nsp), rv->relname)) {
        if (!s->if_not_exists)
            RAISE(SQLSTATE_DUPLICATE_TABLE, "relation \"%s\" already exists", rv->relname);
        REPORT(LEVEL_NOTICE, SQLSTATE_DUPLICATE_TABLE, err_message("relation \"%s\" already exists, skipping", rv->relname));
        return;
    }
    check_new_relation_schema(nsp, rv->relname);
    sequence_make(c, rv->relname, nsp, persistence, s->options, s->n_options, 0, s->owner_id, s->for_identity);
}

/* ---- change ---- */

/* A new file, so that a rollback brings the old state back; values handed out ahead are forgotten. */
static void
new_state(Oid sequence, const SeqParams *p, int64_t last_value, bool is_called)
{
    rel_open(sequence, LOCK_SHARE_ROW_EXCLUSIVE);
    rel_set_new_storage(sequence);
    RelDesc *seq = rel_open_again(sequence);
    seq_create(&seq->heap, p, last_value, is_called);
    rel_invalidate(sequence);
    txn_command_increment();
}

void
sequence_alter(CommandContext *c, RelDesc *seq, PNode **options, size_t n, bool for_identity)
{
    const CatRow *r = cat_get(IDX_PG_SEQUENCE_SEQRELID_INDEX, oid_datum(seq->oid), 0, 0, 0);
    RowEdit *row = row_edit(c->arena, CAT_PG_SEQUENCE, r);
    SeqState st = seq_read(&seq->heap);
    SeqOptions o = {.type = datum_oid(cat_val(r, PG_SEQUENCE_SEQTYPID)), .p = *seq->sequence, .last_value = st.last_value, .is_called = st.is_called};

    apply_options(c, options, n, &o, false, for_identity);
    store_params(row, &o);
    row_save(row);
    rel_invalidate(seq->oid);
    txn_command_increment();
    seq = rel_open_again(seq->oid);
    if (n > 0)
        new_state(seq->oid, &o.p, o.last_value, o.is_called);
    seq = rel_open_again(seq->oid);
    if (o.owned_by)
        process_owned_by(seq, o.owned_by, for_identity);
}

void
cmd_alter_sequence(CommandContext *c, const PgQuery__AlterSeqStmt *s)
{
    RelDesc *seq = range_var_open(s->sequence, LOCK_SHARE_ROW_EXCLUSIVE, s->missing_ok);

    if (seq == NULL) {
        REPORT(LEVEL_NOTICE, SQLSTATE_SUCCESS, err_message("relation \"%s\" does not exist, skipping", s->sequence->relname));
        return;
    }
    if (seq->kind != 'S')
        RAISE(SQLSTATE_WRONG_OBJECT_TYPE, "\"%s\" is not a sequence", seq->name);
    acl_require_owner(CAT_PG_CLASS, seq->oid);
    sequence_alter(c, seq, s->options, s->n_options, s->for_identity);
}

void
sequence_restart(Oid sequence)
{
    RelDesc *seq = rel_open(sequence, LOCK_ACCESS_EXCLUSIVE);
    SeqParams p = *seq->sequence;

    new_state(sequence, &p, p.start, false);
}
