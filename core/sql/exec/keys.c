/*
 * Equality of columns, as joins, grouping and hashed subqueries need it: hash lanes over a batch, and
 * comparing one pair of values. Most types' lanes are equal iff the values are (KEY_LANE); others go by
 * their TypeOps; equality across types (float4 = float8, name = text) meets in a common form.
 */
#include "core/sql/exec/exec_internal.h"

void
type_physical(Oid type, int16_t *len, bool *byval)
{
    const TypeOps *ops = type_ops(type);

    *len = ops ? ops->len : -1;
    *byval = ops ? ops->byval : false;
}

static bool
is_lane_type(Oid t)
{
    switch (t) {
    case BOOL_OID:
    case CHAR_OID:
    case INT2_OID:
    case INT4_OID:
    case INT8_OID:
    case OID_OID:
    case TID_OID:
    case XID_OID:
    case CID_OID:
    case DATE_OID:
    case TIME_OID:
    case TIMESTAMP_OID:
    case TIMESTAMPTZ_OID:
    case REGPROC_OID:
    case REGPROCEDURE_OID:
    case REGOPER_OID:
    case REGOPERATOR_OID:
    case REGCLASS_OID:
    case REGTYPE_OID:
    case XID8_OID:
    case REGROLE_OID: case REGNAMESPACE_OID:
        return true;
    default:
        return false;
    }
}

static bool is_float(Oid t) { return t == FLOAT4_OID || t == FLOAT8_OID; }
static bool is_string(Oid t) { return t == TEXT_OID || t == VARCHAR_OID || t == NAME_OID; }

void
key_col_init(KeyCol *k, Arena *a, Oid eq_op, Oid left, Oid right, Oid collation)
{
    const OpInfo *op = eq_op ? op_info(eq_op) : NULL;

    left = type_base(left, NULL);
    right = type_base(right, NULL);
    *k = (KeyCol){.collation = collation, .left = left, .right = right};
    /* Binary-compatible arguments are compared as what the operator takes. */
    if (op && type_ops(op->left) && type_ops(op->left)->eq)
        k->left = left = op->left;
    if (op && type_ops(op->right) && type_ops(op->right)->eq)
        k->right = right = op->right;
    k->ops = type_ops(left);
    if (is_lane_type(left) && is_lane_type(right)) {
        k->kind = KEY_LANE;
    } else if (is_float(left) && is_float(right)) {
        k->kind = left == right ? KEY_TYPED : KEY_FLOAT;
    } else if (left != right && is_string(left) && is_string(right)) {
        k->kind = KEY_BYTES;
    } else if (left == right || (op && op->left == op->right)) {
        k->kind = KEY_TYPED;
        if (k->ops == NULL || k->ops->eq == NULL || k->ops->hash == NULL)
            RAISE(SQLSTATE_UNDEFINED_FUNCTION,
                  "could not identify an equality operator for type %s",
                  type_format(a, left, -1, false));
    } else {
        k->kind = KEY_CALL;
        UNSUPPORTED("hashing of %s = %s is not implemented", type_format(a, left, -1, false),
                    type_format(a, right, -1, false));
    }
}

static double
float_lane(Oid type, Datum d)
{
    return type == FLOAT4_OID ? (double)datum_float4(d) : datum_float8(d);
}

static void
string_span(Oid type, Datum d, const char **p, size_t *n)
{
    if (type == NAME_OID) {
        *p = datum_ptr(d);
        *n = strnlen(*p, NAME_BYTES);
    } else {
        *p = var_data(d);
        *n = var_len(d);
    }
}

uint64_t
key_hash_one(const KeyCol *k, bool left, Datum d)
{
    switch (k->kind) {
    case KEY_LANE:
        return hash_u64(d);
    case KEY_FLOAT: {
        double v = float_lane(left ? k->left : k->right, d);
        const TypeOps *f8 = type_ops(FLOAT8_OID);
        return f8->hash(float8_datum(v), 0);
    }
    case KEY_BYTES: {
        const char *p;
        size_t n;
        string_span(left ? k->left : k->right, d, &p, &n);
        return hash_bytes(p, n);
    }
    default:
        return k->ops->hash(d, k->collation);
    }
}

bool
key_equal_slow(const KeyCol *k, Datum a, Datum b)
{
    switch (k->kind) {
    case KEY_LANE:
        return a == b;
    case KEY_FLOAT:
        return type_ops(FLOAT8_OID)
            ->eq(float8_datum(float_lane(k->left, a)), float8_datum(float_lane(k->right, b)), 0);
    case KEY_BYTES: {
        const char *p, *q;
        size_t n, m;
        string_span(k->left, a, &p, &n);
        string_span(k->right, b, &q, &m);
        return n == m && memcmp(p, q, n) == 0;
    }
    default:
        return k->ops->eq(a, b, k->collation);
    }
}

static void
hash_lanes(const Vec *v, int n, const uint16_t *sel, uint64_t *hash, bool first)
{
    const Datum *x = v->v;

    if (v->is_const) {
        uint64_t h = hash_u64(x[0]);
        FOR_ROWS (row, n, sel)
            hash[row] = first ? h : hash_combine(hash[row], h);
    } else if (first && sel == NULL) {
        for (int i = 0; i < n; i++)
            hash[i] = hash_u64(x[i]);
    } else if (first) {
        for (int k = 0; k < n; k++)
            hash[sel[k]] = hash_u64(x[sel[k]]);
    } else {
        FOR_ROWS (row, n, sel)
            hash[row] = hash_combine(hash[row], hash_u64(x[row]));
    }
}

void
keys_hash(const KeyCol *k, int nkeys, const Vec *const *cols, bool left, int n, const uint16_t *sel,
          uint64_t *hash)
{
    if (nkeys == 0)
        FOR_ROWS (row, n, sel)
            hash[row] = 1;
    for (int c = 0; c < nkeys; c++) {
        const Vec *v = cols[c];
        if (k[c].kind == KEY_LANE && !v->has_nulls) {
            hash_lanes(v, n, sel, hash, c == 0);
            continue;
        }
        FOR_ROWS (row, n, sel) {
            uint64_t h = vec_null(v, row) ? HASH_NULL : key_hash_one(&k[c], left, vec_get(v, row));
            hash[row] = c == 0 ? h : hash_combine(hash[row], h);
        }
    }
}
