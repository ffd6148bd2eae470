#!/usr/bin/env python3
"""Records how PostgreSQL 15 reads and prints values of the number types, and its aggregates over them.

usage: PGHOST=... PGPORT=... PGUSER=... number_io_cases.py SEED COUNT > tests/types_number_io_cases.inc

    IO(type, "input", "output", "binary form in hex")   output "!22P02 ..." is an error
    AGG_CASE(function oid, "result", "value value ...")   N stands for a null; two-argument functions take pairs
"""
import random
import struct
import subprocess
import sys

seed, count = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
PSQL = ['psql', '-XAtq', 'postgres']
EV = r"""create function pg_temp.ev(q text) returns text language plpgsql as $$
declare r text;
begin
  execute 'select case when x is null then ''\N'' else format(''%s'', x) end from (select ' || q || ' as x) s' into r;
  return translate(r, E'\n\r', E'\x01\x01');
exception when others then
  return '!' || sqlstate || ' ' || translate(sqlerrm, E'\n\r', E'\x01\x01');
end $$;
"""


def quote(s):
    return "'" + s.replace("'", "''") + "'"


def c_string(s):
    out = ''
    for ch in s:
        out += {'\\': '\\\\', '"': '\\"', '\t': '\\t', '\n': '\\n', '\v': '\\v', '\f': '\\f', '\r': '\\r'}.get(ch, ch)
    return '"' + out + '"'


def digits(n):
    return ''.join(random.choice('0123456789') for _ in range(n))


FIXED = {
    'bool': ['t', 'f', 'true', 'false', 'TRUE', 'tr', 'yes', 'y', 'no', 'n', 'on', 'off', 'of', 'o', '1', '0', '', ' ', ' t ', 'tt',
             'truee', 'offf', '2', '\tfalse\n', 'ye', 'yess', 'fals', '10', 'nO'],
    'int2': ['0', '-0', '+5', ' 12 ', '32767', '32768', '-32768', '-32769', '', '-', '1x', '0x1', '1 1', '99999999999999999999', '00012',
             '1.5', '\t7\n', '- 1', '1e3'],
    'int4': ['0', '-0', '+5', ' 12 ', '2147483647', '2147483648', '-2147483648', '-2147483649', '', '+', '1x', '99999999999999999999x',
             '99999999999999999999', '0000000000000000000000000001', '1.0', 'a', '1_000'],
    'int8': ['0', '-0', '+5', ' 12 ', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809', '',
             '--1', '18446744073709551616', '1 x', '00', '123456789012345678901234567890'],
    'oid': ['0', '1', '4294967295', '4294967296', '-1', '-2147483648', '-2147483649', '', ' 7 ', '1x', 'x', '99999999999999999999999', '0x10'],
    'xid': ['0', '12', '4294967295', '4294967296', '-1', '0x10', '010', 'x', ''],
    'xid8': ['0', '12', '18446744073709551615', '-1', '0x10', '010', 'x', '99999999999999999999999'],
    'cid': ['0', '12', '-1', '0x10'],
    'tid': ['(0,0)', '(1,2)', '(4294967295,65535)', '(4294967296,1)', '(1,65536)', '(-1,2)', '( 1,2)', '(1, 2)', '1,2', '(1,2', '(1)', '(1,2) ',
            '(a,b)', ''],
    '"char"': ['a', '', 'ab', '\\101', '\\377', '\\400', '\\08', 'é', '\\', ' '],
    'float8': ['0', '-0', '1', '+1.5', '.5', '5.', '.', '', ' ', 'e5', '1e', '1e5', '1E+5', '1e-5', '1e309', '-1e309', '1e-400', '4.9e-324',
               '2e-324', '3e-324', 'nan', 'NaN', 'NAN', '-nan', '+nan', 'inf', '-inf', '+inf', 'Infinity', '-INFINITY', 'infinit', 'infx', ' 1 ',
               '1 2', '0x1p3', '0x10', '1e22', '1e23', '123456789012345678901234567890', '0.1', '1.7976931348623157e308', '1.7976931348623159e308',
               '9007199254740993', '0.30000000000000004', '1e15', '1e16', '123456789012345', '1234567890123456', '0.0001', '0.00001',
               '0.000123456789', '5e-324', '2.2250738585072011e-308', '1d5', '1,5', '1e+', '1e 5', '1e400', '100000000000000000000000'],
    'float4': ['0', '-0', '1', '.5', '5.', '', '1e39', '-1e39', '1e-50', '1.4e-45', '1e-45', '7e-46', '1.17549435e-38', '3.4028235e38',
               '3.4028236e38', 'nan', 'inf', '-Infinity', '16777217', '16777219', '0.1', '1e6', '123456', '1234567', '1e5', '0.0001', '0.00001',
               'x', '1e', '8388608.5', '33554431', '9.5367431640625e-07'],
    'numeric': ['0', '-0', '0.0', '-0.00', '+5', '.5', '5.', '.', '', ' ', '-', '1e5', '1e', '1e+', '1e+ 5', '1e 5', '1.5e3', '1.5e-3', '1e-5',
                '15e-1', '0e10', '0e-10', '0.000e2', '1e131071', '1e131072', '1e-16383', '1e-16384', '0e-16384', 'nan', 'NaN', '-nan', '+nan',
                'inf', '-inf', '+Infinity', 'infinit', 'Infinityx', '1.2.3', '1..2', '1 2', ' 12.50 ', '1x', '0x10', '00012.3400',
                '999999999999999999', '1000000000000000000', '-999999999999999999.', '0.999999999999999999', '0.1234567890123456789',
                '123456789012345678.9', '000000000000000000000000000000000001.5', '0.' + '0' * 200, '1' + '0' * 100, '1e127', '1e-127', '1e-128',
                '1e99999999999', '1e-99999999999', '9' * 18, '9' * 19, '9' * 27, '9' * 28, '0.' + '9' * 27, '12345678.000000001'],
}


def random_text(t):
    if t in ('int2', 'int4', 'int8', 'oid'):
        return random.choice(['', '-']) + str(random.randrange(10 ** random.randrange(1, {'int2': 6, 'int4': 11, 'int8': 20, 'oid': 11}[t])))
    if t == 'float8':
        k = random.random()
        if k < 0.4:
            return repr(struct.unpack('<d', struct.pack('<Q', random.getrandbits(64)))[0])
        if k < 0.6:
            return digits(random.randrange(1, 25)) + '.' + digits(random.randrange(0, 25)) + 'e%d' % random.randrange(-320, 310)
        return repr(round(random.uniform(-1e6, 1e6), random.randrange(0, 10)))
    if t == 'float4':
        k = random.random()
        if k < 0.5:
            return repr(struct.unpack('<f', struct.pack('<I', random.getrandbits(32)))[0])
        return repr(round(random.uniform(-1e4, 1e4), random.randrange(0, 6)))
    if t == 'numeric':
        k = random.random()
        s = random.choice(['', '-'])
        if k < 0.4:
            return s + digits(random.randrange(1, 12)) + random.choice(['', '.' + digits(random.randrange(1, 8))])
        if k < 0.8:
            return s + digits(random.randrange(1, 60)) + '.' + digits(random.randrange(0, 60))
        return s + digits(random.randrange(1, 20)) + '.' + digits(random.randrange(0, 20)) + 'e%d' % random.randrange(-60, 60)
    return None


SEND = {'bool': 'boolsend', '"char"': 'charsend', 'numeric': 'numeric_send'}
todo = []
for t, fixed in FIXED.items():
    texts = list(fixed)
    if random_text(t) is not None:
        texts += [random_text(t) for _ in range(count)]
    todo += [(t, x) for x in texts]
sql = [EV]
for t, x in todo:
    v = f'{quote(x)}::pg_catalog.{t}'
    sql.append(f'select pg_temp.ev({quote(v)});\n')
    send = SEND.get(t, t + 'send')
    hexed = f"encode(pg_catalog.{send}({v}), ''hex'')" if False else f"pg_catalog.encode(pg_catalog.{send}({v}), 'hex')"
    sql.append(f'select pg_temp.ev({quote(hexed)});\n')
out = subprocess.run(PSQL, input=''.join(sql), capture_output=True, text=True)
sys.stderr.write(out.stderr[:2000])
lines = out.stdout.split('\n')
print('/* Recorded from PostgreSQL 15 by tests/diff/number_io_cases.py, seed %d. */' % seed)
print('#ifdef IO')
for i, (t, x) in enumerate(todo):
    text, binary = lines[2 * i], lines[2 * i + 1]
    if len(text) > 400 or len(binary) > 400 or '\x01' in text:
        continue
    print('IO(%s, %s, %s, %s)' % (c_string(t.strip('"')), c_string(x), c_string(text), c_string(binary if not binary.startswith('!') else '')))
print('#endif')

# ---- aggregates ----
AGGS = {
    'bool': [2517, 2518, 2519, 2147],
    'int2': [2109, 2102, 2133, 2117, 2236, 2237, 6164, 2718 + 2, 2641 + 2 - 2, 2156, 2726, 2150, 2643, 2714],
    'int4': [2108, 2101, 2132, 2116, 2238, 2239, 6165, 2719, 2642, 2155, 2725, 2713, 2149],
    'int8': [2107, 2100, 2131, 2115, 2240, 2241, 6166, 2718, 2641, 2154, 2724, 2712, 2148],
    'float4': [2110, 2104, 2135, 2119, 2721, 2644, 2157, 2727, 2715],
    'float8': [2111, 2105, 2136, 2120, 2722, 2645, 2158, 2728, 2716],
    'numeric': [2114, 2103, 2146, 2130, 2723, 2646, 2159, 2729, 2717],
    'oid': [2134, 2118],
    'pair': [2818, 2819, 2820, 2821, 2822, 2823, 2824, 2825, 2826, 2827, 2828, 2829],
}
names = {}
res = subprocess.run(PSQL + ['-F', '\t', '-c', "select p.oid, proname, oidvectortypes(proargtypes) from pg_proc p where prokind = 'a'"],
                     capture_output=True, text=True).stdout
for line in res.splitlines():
    oid, name, args = line.split('\t')
    names[int(oid)] = (name, args)
LONG = {'bool': 'boolean', 'int2': 'smallint', 'int4': 'integer', 'int8': 'bigint', 'float4': 'real', 'float8': 'double precision',
        'numeric': 'numeric', 'oid': 'oid', 'pair': 'double precision, double precision'}


def agg_value(t, style):
    if random.random() < 0.1:
        return 'N'
    if t == 'bool':
        return random.choice('tf')
    if t == 'int2':
        return str(random.randrange(-32768, 32768))
    if t == 'int4':
        return str(random.randrange(-1 << 31, 1 << 31) if style else random.randrange(-100, 100))
    if t == 'int8':
        return str(random.choice([9223372036854775807, -9223372036854775808, random.randrange(-1 << 63, 1 << 63)]) if style else random.randrange(-1000, 1000))
    if t == 'oid':
        return str(random.randrange(1 << 32))
    if t == 'numeric':
        r = random.random()
        if style == 2 and r < 0.15:
            return random.choice(['NaN', 'Infinity', '-Infinity'])
        if style:
            return random_text('numeric')
        return '%d.%02d' % (random.randrange(-1000, 1000), random.randrange(100))
    r = random.random()
    if style == 2 and r < 0.15:
        return random.choice(['NaN', 'Infinity', '-Infinity'])
    if style == 1 and r < 0.1 and t == 'float8':
        return repr(random.uniform(-1, 1) * 1.7e308)
    return repr(round(random.uniform(-100, 100), random.randrange(0, 5)))


cases = []
for t, oids in AGGS.items():
    for oid in oids:
        if oid not in names or names[oid][1] not in (LONG[t], '"any"'):
            continue
        for i in range(24):
            n = random.choice([0, 1, 1, 2, 3, 5, 10, 30])
            style = i % 3
            if t == 'pair':
                rows = [(agg_value('float8', style % 2 * 0), agg_value('float8', style % 2 * 0)) for _ in range(n)]
                if style == 2 and n:
                    rows = [('1', x) for _, x in rows]
            else:
                rows = [(agg_value(t, style),) for _ in range(n)]
            cases.append((oid, t, rows))
sql = [EV, 'set extra_float_digits = 1;\n']
for oid, t, rows in cases:
    cast = 'float8' if t == 'pair' else t
    cols = 2 if t == 'pair' else 1
    def lit(x):
        return 'null::' + cast if x == 'N' else quote(x) + '::' + cast
    values = ', '.join('(' + ', '.join(lit(x) for x in r) + ')' for r in rows) if rows else None
    args = 'a, b' if cols == 2 else 'a'
    src = f'(values {values}) v({args})' if rows else '(select ' + ', '.join(f'null::{cast} as {n}' for n in args.split(', ')) + ' where false) v'
    q = f'(select pg_catalog.{names[oid][0]}({args}) from {src})'
    sql.append(f'select pg_temp.ev({quote(q)});\n')
out = subprocess.run(PSQL, input=''.join(sql), capture_output=True, text=True)
sys.stderr.write(out.stderr[:2000])
lines = out.stdout.split('\n')
print('#ifdef AGG_CASE')
for (oid, t, rows), r in zip(cases, lines):
    text = ' '.join(' '.join(row) for row in rows)
    if len(r) > 400 or len(text) > 1500:
        continue
    print('AGG_CASE(%d, %s, %s)' % (oid, c_string(r), c_string(text)))
print('#endif')
