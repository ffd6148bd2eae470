// types.mjs: the types under test: their numbers, sample values as text, and the same values in
// binary as PostgreSQL defines them. The binary forms are made here, not by the server.
const int = (size) => (text) => {
    const b = Buffer.alloc(size);
    if (size === 2) b.writeInt16BE(Number(text));
    else if (size === 4) b.writeInt32BE(Number(text));
    else b.writeBigInt64BE(BigInt(text));
    return b;
};
const float = (size) => (text) => {
    const n = { NaN: NaN, Infinity, '-Infinity': -Infinity }[text] ?? Number(text);
    const b = Buffer.alloc(size);
    if (size === 4) b.writeFloatBE(n);
    else b.writeDoubleBE(n);
    return b;
};
const utf8 = (text) => Buffer.from(text);
const hex = (text) => Buffer.from(text.replace(/^\\x/, '').replace(/-/g, ''), 'hex');

// numeric: ndigits, weight, sign, dscale, then base-10000 digits
function numeric(text) {
    const special = { NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 }[text];
    const b = [];
    const push = (n) => b.push((n >> 8) & 255, n & 255);
    if (special !== undefined) {
        // The display scale of an infinity is a detail PostgreSQL carries along as 32.
        [0, 0, special, text === 'NaN' ? 0 : 32].forEach(push);
        return Buffer.from(b);
    }
    const negative = text.startsWith('-');
    const [whole, fraction = ''] = text.replace('-', '').split('.');
    const left = whole.padStart(Math.ceil(whole.length / 4) * 4, '0');
    const right = fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0');
    let weight = left.length / 4 - 1;
    const digits = (left + right).match(/.{4}/g).map(Number);
    while (digits.length > 0 && digits[0] === 0) { digits.shift(); weight--; }
    while (digits.length > 0 && digits[digits.length - 1] === 0) digits.pop();
    if (digits.length === 0) weight = 0;
    [digits.length, weight & 0xffff, negative && digits.length > 0 ? 0x4000 : 0, fraction.length, ...digits].forEach(push);
    return Buffer.from(b);
}

const DAY_US = 86400000000n;
const EPOCH_DAYS = 10957; // from 1970-01-01 to 2000-01-01
const dayNumber = (text) => Date.UTC(...text.split('-').map((x, i) => (i === 1 ? Number(x) - 1 : Number(x)))) / 86400000 - EPOCH_DAYS;
function timeUs(text) {
    const [h, m, s] = text.split(':');
    const [sec, frac = ''] = s.split('.');
    return ((BigInt(h) * 60n + BigInt(m)) * 60n + BigInt(sec)) * 1000000n + BigInt(frac.padEnd(6, '0'));
}
const int64 = (n) => { const b = Buffer.alloc(8); b.writeBigInt64BE(n); return b; };
const date = (text) => text === 'infinity' ? int(4)(2147483647) : text === '-infinity' ? int(4)(-2147483648) : int(4)(dayNumber(text));
function timestamp(text) {
    if (text === 'infinity') return int64(9223372036854775807n);
    if (text === '-infinity') return int64(-9223372036854775808n);
    const [d, t] = text.replace(/\+00$/, '').split(' ');
    return int64(BigInt(dayNumber(d)) * DAY_US + timeUs(t));
}
// interval samples are given as [months, days, microseconds] beside their text
const interval = (months, days, us) => Buffer.concat([int64(us), int(4)(days), int(4)(months)]);

function array(elementOid, encode, elements) {
    const head = [int(4)(elements.length === 0 ? 0 : 1), int(4)(elements.includes(null) ? 1 : 0), int(4)(elementOid)];
    if (elements.length === 0) return Buffer.concat(head);
    const body = elements.map((e) => {
        if (e === null) return int(4)(-1);
        const b = encode(e);
        return Buffer.concat([int(4)(b.length), b]);
    });
    return Buffer.concat([...head, int(4)(elements.length), int(4)(1), ...body]);
}

const plain = (name, oid, encode, texts) => ({ name, oid, samples: texts.map((text) => ({ text, binary: encode(text) })) });

export const types = [
    plain('bool', 16, (t) => Buffer.from([t === 't' ? 1 : 0]), ['t', 'f']),
    plain('int2', 21, int(2), ['0', '1', '-1', '32767', '-32768']),
    plain('int4', 23, int(4), ['0', '1', '-1', '2147483647', '-2147483648']),
    plain('int8', 20, int(8), ['0', '1', '-1', '9223372036854775807', '-9223372036854775808']),
    plain('float4', 700, float(4), ['0', '1.5', '-0.1', '1e+20', '3.4028235e+38', 'NaN', 'Infinity', '-Infinity']),
    plain('float8', 701, float(8), ['0', '1.5', '-0.1', '1e+300', '0.30000000000000004', '5e-324', 'NaN', 'Infinity', '-Infinity']),
    plain('numeric', 1700, numeric, ['0', '1', '-1', '1.10', '0.0001', '-0.00001', '10000', '12345678901234567890.123456789', '0.00', '99999999', '1000000000000', 'NaN', 'Infinity', '-Infinity']),
    plain('text', 25, utf8, ['', 'abc', "it's", 'línea\nnueva\ttab \\ "q"', '日本語 😀', 'x'.repeat(10000)]),
    plain('varchar', 1043, utf8, ['', 'abc', 'é']),
    plain('bpchar', 1042, utf8, ['abc', 'abc  ']),
    plain('name', 19, utf8, ['abc', 'a name']),
    plain('bytea', 17, hex, ['\\x', '\\x00', '\\xdeadbeef', '\\x' + '00ff5c27'.repeat(500)]),
    plain('uuid', 2950, hex, ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']),
    plain('oid', 26, (t) => { const b = Buffer.alloc(4); b.writeUInt32BE(Number(t)); return b; }, ['0', '42', '4294967295']),
    plain('date', 1082, date, ['2000-01-01', '1999-12-31', '2024-02-29', '1970-01-01', '9999-12-31', 'infinity', '-infinity']),
    plain('time', 1083, (t) => int64(timeUs(t)), ['00:00:00', '13:14:15', '23:59:59.999999', '24:00:00']),
    plain('timestamp', 1114, timestamp, ['2000-01-01 00:00:00', '1999-12-31 23:59:59.999999', '2024-02-29 12:34:56.789', 'infinity', '-infinity']),
    plain('timestamptz', 1184, timestamp, ['2000-01-01 00:00:00+00', '2024-02-29 12:34:56.789+00', '1960-05-06 07:08:09+00', 'infinity']),
    { name: 'interval', oid: 1186, samples: [
        { text: '00:00:00', binary: interval(0, 0, 0n) },
        { text: '1 year 2 mons 3 days 04:05:06.7', binary: interval(14, 3, 14706700000n) },
        { text: '-1 mons +2 days -00:00:01', binary: interval(-1, 2, -1000000n) },
    ] },
    { name: 'int4[]', oid: 1007, samples: [
        { text: '{}', binary: array(23, int(4), []) },
        { text: '{1,2,3}', binary: array(23, int(4), ['1', '2', '3']) },
        { text: '{1,NULL,-3}', binary: array(23, int(4), ['1', null, '-3']) },
    ] },
    { name: 'int8[]', oid: 1016, samples: [{ text: '{9223372036854775807,0}', binary: array(20, int(8), ['9223372036854775807', '0']) }] },
    { name: 'bool[]', oid: 1000, samples: [{ text: '{t,f,NULL}', binary: array(16, (t) => Buffer.from([t === 't' ? 1 : 0]), ['t', 'f', null]) }] },
    { name: 'float8[]', oid: 1022, samples: [{ text: '{1.5,NaN}', binary: array(701, float(8), ['1.5', 'NaN']) }] },
    { name: 'numeric[]', oid: 1231, samples: [{ text: '{1.10,NULL}', binary: array(1700, numeric, ['1.10', null]) }] },
    { name: 'text[]', oid: 1009, samples: [
        { text: '{a,"b c","d\\"e",NULL,"","NULL"}', binary: array(25, utf8, ['a', 'b c', 'd"e', null, '', 'NULL']) },
    ] },
    { name: 'uuid[]', oid: 2951, samples: [{ text: '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', binary: array(2950, hex, ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']) }] },
    { name: 'date[]', oid: 1182, samples: [{ text: '{2024-02-29,NULL}', binary: array(1082, date, ['2024-02-29', null]) }] },
    { name: 'timestamptz[]', oid: 1185, samples: [{ text: '{"2024-02-29 12:34:56+00"}', binary: array(1184, timestamp, ['2024-02-29 12:34:56+00']) }] },
    { name: 'bytea[]', oid: 1001, samples: [{ text: '{"\\\\x00ff",NULL}', binary: array(17, hex, ['\\x00ff', null]) }] },
];
