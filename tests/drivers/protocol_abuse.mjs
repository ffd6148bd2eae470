// protocol_abuse.mjs: malformed and hostile protocol. Each case sends something a client never
// should; the answer (messages, SQLSTATE, text, whether the connection is closed) must be the one
// PostgreSQL 15 gave (protocol_abuse.expected.json), and afterwards the server must still serve.
// usage: node protocol_abuse.mjs [-h HOST] [-p PORT] [-U USER] [-d DB] [--record] [--list] [CASE...]
import fs from 'node:fs';
import { Tally, Wire, bind, close, connect, connectionOptions, cstr, describe, execute, int16, int32, message, openSocket, parse, query, startup, sync } from './wire.mjs';

const opt = connectionOptions();
const expectedPath = new URL('./protocol_abuse.expected.json', import.meta.url);
const record = opt.rest.includes('--record');
const only = opt.rest.filter((a) => !a.startsWith('--'));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const SSL_REQUEST = Buffer.concat([int32(8), int32(80877103)]);
const GSS_REQUEST = Buffer.concat([int32(8), int32(80877104)]);
const cancelRequest = (pid, secret) => Buffer.concat([int32(16), int32(80877102), int32(pid), int32(secret)]);
const goodStartup = (extra = {}) => startup({ user: opt.user, database: opt.database, ...extra });

// What the server says, one line per message, until it closes, is ready `readies` times, or falls silent.
// Silence is waited for as long as it is expected, and much longer where an answer is: a loaded machine is not silent.
let patience = 1;
async function answers(wire, { readies = 1, quiet = 1000 } = {}) {
    const said = [];
    for (;;) {
        let m;
        try {
            m = await wire.next(quiet * patience);
        } catch {
            said.push('silent');
            break;
        }
        if (m === null) {
            said.push('closed');
            break;
        }
        if (m.type === 'S' || m.type === 'K') continue;
        if (m.type === 'E' || m.type === 'N') said.push(`${m.fields.V} ${m.fields.C} ${m.fields.M}`);
        else if (m.type === 'Z') said.push(`ready ${m.status}`);
        else if (m.type === 'R') said.push(`auth ${m.code}`);
        else if (m.type === 'C') said.push(`complete ${m.tag}`);
        else if (m.type === 'v') said.push(`negotiate ${m.body.readInt32BE(0)} ${m.body.readInt32BE(4)}`);
        else said.push(m.type);
        if (m.type === 'Z' && --readies === 0) break;
    }
    return said;
}

// Send bytes on a fresh socket, before any startup.
async function rawStart(...parts) {
    const wire = new Wire(openSocket(opt));
    wire.send(...parts);
    const said = await answers(wire);
    wire.socket.destroy();
    return said;
}

// Send bytes on a connection that has started properly.
async function afterStart(parts, options) {
    const wire = await connect(opt);
    wire.send(...parts);
    const said = await answers(wire, options);
    if (!wire.closed && said[said.length - 1] !== 'closed') {
        // still open: is it still usable?
        wire.send(sync());
        said.push('then', ...(await answers(wire)));
    }
    wire.socket.destroy();
    return said;
}

// A request answered by one byte, then what follows.
async function byteThen(request, ...rest) {
    const wire = new Wire(openSocket(opt));
    wire.raw = true;
    wire.send(request);
    const byte = await wire.nextByte();
    wire.raw = false;
    if (byte === 'S' || byte === 'G') {
        // This server offers encryption, as it may; what is tested here is the plain way, so ask anew.
        wire.socket.destroy();
        return ['byte N', ...(rest.length > 0 ? await rawStart(...rest) : [])];
    }
    const said = [`byte ${byte}`];
    if (rest.length > 0) {
        wire.send(...rest);
        said.push(...(await answers(wire)));
    }
    wire.socket.destroy();
    return said;
}

const header = (type, length) => Buffer.concat([Buffer.from(type), int32(length)]);
const badUtf8 = Buffer.from([0x27, 0xff, 0xfe, 0x27]);

const cases = {
    // ---- startup
    'startup of length 3': () => rawStart(int32(3), int32(0)),
    'startup of length 4': () => rawStart(int32(4)),
    'startup of length 7': () => rawStart(int32(7), Buffer.from('abc')),
    'startup of length 2 GB': () => rawStart(int32(0x7fffffff), int32(0x30000)),
    'startup of negative length': () => rawStart(int32(-1), int32(0x30000)),
    'startup of 20000 bytes': () => rawStart(startup({ user: opt.user, database: opt.database, application_name: 'x'.repeat(20000) })),
    'an HTTP request': () => rawStart(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
    'protocol 1.0': () => rawStart(startup({ user: opt.user }, 0x10000)),
    'protocol 2.0': () => rawStart(startup({ user: opt.user }, 0x20000)),
    'protocol 4.0': () => rawStart(startup({ user: opt.user }, 0x40000)),
    'protocol 3.9': () => rawStart(startup({ user: opt.user, database: opt.database }, 0x30009)),
    'protocol option _pq_.x': () => rawStart(goodStartup({ '_pq_.x': 'y' })),
    'protocol 1234.5': () => rawStart(Buffer.concat([int32(8), int32(1234 * 65536 + 5)])),
    'no user': () => rawStart(startup({ database: opt.database })),
    'empty user': () => rawStart(startup({ user: '', database: opt.database })),
    'no parameters at all': () => rawStart(startup({})),
    'startup without terminator': () => rawStart(Buffer.concat([int32(8 + 5 + opt.user.length + 1), int32(0x30000), cstr('user'), cstr(opt.user)])),
    'startup parameter without value': () => rawStart(Buffer.concat([int32(8 + 5 + opt.user.length + 1 + 4), int32(0x30000), cstr('user'), cstr(opt.user), Buffer.from('abc\0')])),
    'unknown database': () => rawStart(startup({ user: opt.user, database: 'nosuch_database' })),
    'unknown user': () => rawStart(startup({ user: 'nosuch_user', database: opt.database })),
    'unknown parameter': () => rawStart(goodStartup({ nosuch_parameter: '1' })),
    'bad value of a parameter': () => rawStart(goodStartup({ work_mem: 'lots' })),
    'unknown client_encoding': () => rawStart(goodStartup({ client_encoding: 'NOSUCH' })),
    'options': () => rawStart(goodStartup({ options: '-c work_mem=3MB' })),
    'unknown parameter in options': () => rawStart(goodStartup({ options: '-c nosuch=1' })),
    'startup cut short': async () => {
        const wire = new Wire(openSocket(opt));
        wire.send(goodStartup().subarray(0, 12));
        await pause(100);
        wire.socket.destroy();
        return ['left'];
    },
    'connect and leave': async () => {
        for (let i = 0; i < 20; i++) {
            const socket = openSocket(opt);
            socket.on('error', () => {});
            await new Promise((resolve) => socket.once('connect', resolve));
            socket.destroy();
        }
        return ['left'];
    },
    'one byte at a time': async () => {
        const wire = new Wire(openSocket(opt));
        for (const byte of goodStartup()) {
            wire.send(Buffer.from([byte]));
            await pause(5);
        }
        const said = await answers(wire);
        for (const byte of query('SELECT 1')) {
            wire.send(Buffer.from([byte]));
            await pause(5);
        }
        said.push(...(await answers(wire)));
        wire.end();
        return said;
    },
    'thirty stalled startups': async () => {
        const stalled = Array.from({ length: 30 }, () => new Wire(openSocket(opt)));
        stalled.forEach((w) => w.send(goodStartup().subarray(0, 10)));
        await pause(200);
        const wire = await connect(opt);
        wire.send(query('SELECT 1'));
        const said = await answers(wire);
        wire.end();
        stalled.forEach((w) => w.socket.destroy());
        return said;
    },
    // ---- encryption and cancel requests
    'SSLRequest, then plain': () => byteThen(SSL_REQUEST, goodStartup()),
    'GSSENCRequest, then plain': () => byteThen(GSS_REQUEST, goodStartup()),
    'SSLRequest, then GSSENCRequest': () => byteThen(SSL_REQUEST, GSS_REQUEST),
    'SSLRequest twice': () => byteThen(SSL_REQUEST, SSL_REQUEST),
    'SSLRequest with a longer body': () => rawStart(Buffer.concat([int32(12), int32(80877103), int32(0)])),
    'cancel with unknown pid': () => rawStart(cancelRequest(999999, 1234)),
    'cancel with a wrong key': async () => {
        const wire = await connect(opt);
        wire.send(query('SELECT pg_sleep(0.5)'));
        await pause(100);
        const said = await rawStart(cancelRequest(wire.key.pid, wire.key.secret ^ 1));
        said.push(...(await answers(wire, { quiet: 3000 })));
        wire.end();
        return said;
    },
    'cancel of length 12': () => rawStart(Buffer.concat([int32(12), int32(80877102), int32(1)])),
    'cancel of an idle session': async () => {
        const wire = await connect(opt);
        const said = await rawStart(cancelRequest(wire.key.pid, wire.key.secret));
        await pause(200);
        wire.send(query('SELECT 1'));
        said.push(...(await answers(wire)));
        wire.end();
        return said;
    },
    // ---- framing
    'unknown message type !': () => afterStart([message('!')]),
    'unknown message type 0': () => afterStart([message('\0')]),
    'unknown message type 255': () => afterStart([Buffer.from([255, 0, 0, 0, 4])]),
    'a password out of turn': () => afterStart([message('p', cstr('secret'))]),
    'Query of length 3': () => afterStart([header('Q', 3)]),
    'Query of length 0': () => afterStart([header('Q', 0)]),
    'Query of negative length': () => afterStart([header('Q', -1)]),
    'Query of length 2 GB': () => afterStart([header('Q', 0x7fffffff)]),
    'Sync of length 1 MB': () => afterStart([header('S', 1000000)]),
    'Execute of length 1 MB': () => afterStart([header('E', 1000000)]),
    'Query cut short, then gone': async () => {
        const wire = await connect(opt);
        wire.send(query('SELECT 12345').subarray(0, 8));
        await pause(50);
        wire.socket.destroy();
        return ['left'];
    },
    'Query without its zero': () => afterStart([message('Q', Buffer.from('SELECT 1'))]),
    'Query with bytes after its zero': () => afterStart([message('Q', Buffer.from('SELECT 1\0junk\0'))]),
    'empty Query body': () => afterStart([message('Q')]),
    'Sync with a body': () => afterStart([message('S', Buffer.from('x'))]),
    'Flush with a body': () => afterStart([message('H', Buffer.from('x')), sync()]),
    'Terminate with a body': () => afterStart([message('X', Buffer.from('x'))]),
    'bytes after Terminate': () => afterStart([message('X'), Buffer.from('garbage that nobody reads'), query('SELECT 1')]),
    'random bytes': () => afterStart([Buffer.from('\x01\x02\x03\x04\x05\x06\x07\x08\x09')]),
    'a thousand Syncs': async () => {
        const wire = await connect(opt);
        wire.send(...Array.from({ length: 1000 }, sync));
        const said = await answers(wire, { readies: 1000 });
        wire.end();
        return [`${said.filter((s) => s === 'ready I').length} times ready`];
    },
    'a Query of 5 MB': () => afterStart([query(' '.repeat(5000000) + 'SELECT 1')]),
    'a deeply nested query': async () => {
        const said = await afterStart([query('SELECT ' + '('.repeat(100000) + '1' + ')'.repeat(100000))], { quiet: 10000 });
        return said.map((s) => s.replace(/^(ERROR 54001|ERROR 53200|ERROR 42601).*/, 'refused'));
    },
    // ---- text that is no text
    'bad UTF-8 in Query': () => afterStart([message('Q', Buffer.from('SELECT '), badUtf8, Buffer.from([0]))]),
    'overlong UTF-8 in Query': () => afterStart([message('Q', Buffer.from("SELECT '"), Buffer.from([0xc0, 0x80]), Buffer.from("'\0"))]),
    'cut UTF-8 at the end of Query': () => afterStart([message('Q', Buffer.from('SELECT 1 -- '), Buffer.from([0xe2, 0x82, 0]))]),
    'a surrogate in UTF-8': () => afterStart([message('Q', Buffer.from("SELECT '"), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from("'\0"))]),
    'bad UTF-8 in Parse': () => afterStart([message('P', Buffer.from([0]), Buffer.from('SELECT '), badUtf8, Buffer.from([0]), int16(0)), sync()]),
    'bad UTF-8 in a statement name': () => afterStart([message('P', Buffer.from([0xff, 0]), cstr('SELECT 1'), int16(0)), sync()]),
    'bad UTF-8 in a text parameter': () => afterStart([parse('', 'SELECT $1::text'), message('B', cstr(''), cstr(''), int16(0), int16(1), int32(2), Buffer.from([0xff, 0x41]), int16(0)), execute(''), sync()]),
    'bad UTF-8 in a binary text parameter': () => afterStart([parse('', 'SELECT $1::text'), bind('', '', [Buffer.from([0xff, 0x41])]), execute(''), sync()]),
    'a zero byte in a text parameter': () => afterStart([parse('', 'SELECT $1::text'), message('B', cstr(''), cstr(''), int16(0), int16(1), int32(3), Buffer.from('a\0b'), int16(0)), execute(''), sync()]),
    'a zero byte in a binary text parameter': () => afterStart([parse('', 'SELECT $1::text'), bind('', '', [Buffer.from('a\0b')]), execute(''), sync()]),
    'bad UTF-8 in COPY data': () => afterStart([query('CREATE TEMP TABLE c (t text)'), query('COPY c FROM STDIN'), message('d', Buffer.from([0xff, 0x0a])), message('c')], { readies: 2 }),
    // ---- the extended protocol
    'Bind to an unknown statement': () => afterStart([bind('', 'nosuch'), execute(''), sync()]),
    'Execute of an unknown portal': () => afterStart([execute('nosuch'), sync()]),
    'Describe of an unknown statement': () => afterStart([describe('S', 'nosuch'), sync()]),
    'Describe of an unknown portal': () => afterStart([describe('P', 'nosuch'), sync()]),
    'Describe of neither': () => afterStart([describe('Z', ''), sync()]),
    'Close of neither': () => afterStart([close('Z', ''), sync()]),
    'too many parameters': () => afterStart([parse('', 'SELECT $1::int'), bind('', '', ['1', '2']), execute(''), sync()]),
    'too few parameters': () => afterStart([parse('st', 'SELECT $1::int, $2::int'), bind('', 'st', ['1']), execute(''), sync()]),
    'a parameter format of 7': () => afterStart([parse('', 'SELECT $1::int'), message('B', cstr(''), cstr(''), int16(1), int16(7), int16(1), int32(1), Buffer.from('1'), int16(0)), execute(''), sync()]),
    'two formats for three parameters': () => afterStart([parse('', 'SELECT $1::int, $2::int, $3::int'), message('B', cstr(''), cstr(''), int16(2), int16(0), int16(0), int16(3), ...[1, 2, 3].flatMap(() => [int32(1), Buffer.from('1')]), int16(0)), execute(''), sync()]),
    'a result format of 7': () => afterStart([parse('', 'SELECT 1'), bind('', '', [], [7]), execute(''), sync()]),
    'three result formats for one column': () => afterStart([parse('', 'SELECT 1'), bind('', '', [], [0, 0, 0]), execute(''), sync()]),
    'a parameter longer than its message': () => afterStart([parse('', 'SELECT $1::int'), message('B', cstr(''), cstr(''), int16(0), int16(1), int32(1000), Buffer.from('1'), int16(0)), execute(''), sync()]),
    'a parameter of length -2': () => afterStart([parse('', 'SELECT $1::int'), message('B', cstr(''), cstr(''), int16(0), int16(1), int32(-2), int16(0)), execute(''), sync()]),
    'Bind that ends early': () => afterStart([parse('', 'SELECT 1'), message('B', cstr(''), cstr('')), execute(''), sync()]),
    'Bind with bytes at its end': () => afterStart([parse('', 'SELECT 1'), message('B', cstr(''), cstr(''), int16(0), int16(0), int16(0), Buffer.from('xyz')), execute(''), sync()]),
    'Bind without any zero': () => afterStart([message('B', Buffer.from('abc')), sync()]),
    'Parse that promises 1000 types': () => afterStart([message('P', cstr(''), cstr('SELECT 1'), int16(1000)), sync()]),
    'Parse of an unknown type': () => afterStart([parse('', 'SELECT $1', [999999]), sync()]),
    'Parse of type 0': () => afterStart([parse('', 'SELECT $1::int', [0]), sync()]),
    'Parse of a syntax error': () => afterStart([parse('', 'SELEC 1'), sync()]),
    'Parse of parameter 0': () => afterStart([parse('', 'SELECT $0'), sync()]),
    'Parse of parameter 70000': () => afterStart([parse('', 'SELECT $70000'), sync()]),
    'Parse of a gap in parameters': () => afterStart([parse('', 'SELECT $1::int, $3::int'), sync()]),
    'Execute that ends early': () => afterStart([parse('', 'SELECT 1'), bind('', ''), message('E', cstr('')), sync()]),
    'Execute with a negative limit': () => afterStart([parse('', 'SELECT 1'), bind('', ''), execute('', -5), sync()]),
    'Execute twice of one portal': () => afterStart([parse('', 'SELECT 1'), bind('', ''), execute(''), execute(''), sync()]),
    'a wrong size of a binary int': () => afterStart([parse('', 'SELECT $1::int'), bind('', '', [Buffer.from([1, 2])]), execute(''), sync()]),
    'a wrong size of a binary bool': () => afterStart([parse('', 'SELECT $1::bool'), bind('', '', [Buffer.alloc(3)]), execute(''), sync()]),
    'a binary array of 7 dimensions': () => afterStart([parse('', 'SELECT $1::int[]'), bind('', '', [Buffer.concat([int32(7), int32(0), int32(23)])]), execute(''), sync()]),
    'a binary array of a huge dimension': () => afterStart([parse('', 'SELECT $1::int[]'), bind('', '', [Buffer.concat([int32(1), int32(0), int32(23), int32(0x7fffffff), int32(1)])]), execute(''), sync()]),
    'a binary array of another element type': () => afterStart([parse('', 'SELECT $1::int[]'), bind('', '', [Buffer.concat([int32(1), int32(0), int32(25), int32(0), int32(1)])]), execute(''), sync()]),
    'a binary numeric of digit 10000': () => afterStart([parse('', 'SELECT $1::numeric'), bind('', '', [Buffer.concat([int16(1), int16(0), int16(0), int16(0), int16(10000)])]), execute(''), sync()]),
    'a binary numeric of a bad sign': () => afterStart([parse('', 'SELECT $1::numeric'), bind('', '', [Buffer.concat([int16(0), int16(0), int16(1), int16(0)])]), execute(''), sync()]),
    'a binary timestamp out of range': () => afterStart([parse('', 'SELECT $1::timestamp'), bind('', '', [Buffer.concat([int32(0x7fffffff), int32(0)])]), execute(''), sync()]),
    'a binary date out of range': () => afterStart([parse('', 'SELECT $1::date'), bind('', '', [int32(0x7ffffffe)]), execute(''), sync()]),
    'a binary time out of range': () => afterStart([parse('', 'SELECT $1::time'), bind('', '', [Buffer.concat([int32(0x7fffffff), int32(0)])]), execute(''), sync()]),
    'SHOW in pieces': () => afterStart([parse('', 'SHOW work_mem'), bind('', ''), execute('', 1), execute('', 1), sync()]),
    'EXPLAIN in pieces': () => afterStart([parse('', 'EXPLAIN (COSTS off) SELECT 1 UNION ALL SELECT 2'), bind('', ''), execute('', 1), execute('', 2), execute('', 9), sync()]),
    'binary output of a type without it': () => afterStart([parse('', "SELECT '{=r/postgres}'::aclitem[]"), bind('', '', [], [1]), execute(''), sync()]),
    'binary input of a type without it': () => afterStart([parse('', 'SELECT $1::aclitem[]'), bind('', '', [Buffer.concat([int32(1), int32(0), int32(1033), int32(1), int32(1), int32(1), Buffer.from('x')])]), execute(''), sync()]),
    'an error, and no Sync for long': async () => {
        const wire = await connect(opt);
        wire.send(parse('', 'SELEC'), parse('', 'SELECT 1'), bind('', ''), execute(''));
        const said = await answers(wire, { quiet: 300 });
        wire.send(query('SELECT 1'));
        said.push('Query', ...(await answers(wire, { quiet: 300 })));
        wire.send(sync());
        said.push('Sync', ...(await answers(wire)));
        wire.end();
        return said;
    },
    'two thousand statements never closed': async () => {
        const wire = await connect(opt);
        wire.send(...Array.from({ length: 2000 }, (_, i) => parse(`s${i}`, `SELECT ${i}`)), bind('', 's1999'), execute(''), sync());
        const said = await answers(wire);
        wire.end();
        return [`${said.filter((s) => s === '1').length} parsed`, ...said.filter((s) => s !== '1')];
    },
    'FunctionCall of function 0': () => afterStart([message('F', int32(0), int16(0), int16(0), int16(0))]),
    'FunctionCall of an output function': () => afterStart([message('F', int32(47), int16(1), int16(0), int16(1), int32(3), Buffer.from('abc'), int16(0))]),
    'FunctionCall of an input function': () => afterStart([message('F', int32(42), int16(1), int16(0), int16(1), int32(2), Buffer.from('12'), int16(0))]),
    'FunctionCall cut short': () => afterStart([message('F', int32(1))]),
    // ---- COPY out of turn
    'CopyData without COPY': () => afterStart([message('d', Buffer.from('x\n')), message('c'), message('f', cstr('no')), query('SELECT 1')]),
    'a Query during COPY': () => afterStart([query('CREATE TEMP TABLE c (t text)'), query('COPY c FROM STDIN'), query('SELECT 1')], { readies: 2 }),
    'Sync and Flush during COPY': () => afterStart([query('CREATE TEMP TABLE c (t text)'), query('COPY c FROM STDIN'), sync(), message('H'), message('d', Buffer.from('x\n')), message('c')], { readies: 2 }),
    'Terminate during COPY': () => afterStart([query('CREATE TEMP TABLE c (t text)'), query('COPY c FROM STDIN'), message('d', Buffer.from('x\n')), message('X')], { readies: 2 }),
    'an unknown message during COPY': () => afterStart([query('CREATE TEMP TABLE c (t text)'), query('COPY c FROM STDIN'), message('!')], { readies: 2 }),
    'an empty field in binary COPY': () => afterStart([query('CREATE TEMP TABLE c (t text, u bytea)'), query('COPY c FROM STDIN (FORMAT binary)'),
        message('d', Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), int32(0), int32(0), int16(2), int32(0), int32(0), int16(-1)), message('c'), query('SELECT * FROM c')], { readies: 3 }),
    'gone in the middle of COPY in': async () => {
        const wire = await connect(opt);
        await wire.query('CREATE TEMP TABLE c (t text)');
        wire.send(query('COPY c FROM STDIN'), message('d', Buffer.from('half a li')));
        await pause(100);
        wire.socket.destroy();
        return ['left'];
    },
    'gone in the middle of a large result': async () => {
        const wire = await connect(opt);
        wire.send(query("SELECT g, repeat('x', 1000) FROM generate_series(1, 100000) g"));
        await pause(100);
        wire.socket.destroy();
        return ['left'];
    },
    'gone in the middle of a transaction': async () => {
        const wire = await connect(opt);
        await wire.query('DROP TABLE IF EXISTS abuse_t');
        await wire.query('CREATE TABLE abuse_t (x int)');
        await wire.query('BEGIN; INSERT INTO abuse_t VALUES (1); LOCK TABLE abuse_t');
        wire.socket.destroy();
        await pause(200);
        const other = await connect(opt);
        other.send(query('SELECT count(*) FROM abuse_t HAVING count(*) = 0'), query('DROP TABLE abuse_t'));
        const said = await answers(other, { readies: 2, quiet: 5000 });
        other.end();
        return said;
    },
    'a reader that does not read': async () => {
        const wire = await connect(opt);
        wire.socket.pause();
        wire.send(query("SELECT repeat('x', 100000) FROM generate_series(1, 500) g"));
        const other = await connect(opt);
        other.send(query('SELECT 1'));
        const said = await answers(other);
        other.end();
        await pause(300);
        wire.socket.resume();
        const rest = await answers(wire, { quiet: 10000 });
        said.push(`${rest.filter((s) => s === 'D').length} rows`, rest[rest.length - 1]);
        wire.end();
        return said;
    },
};

if (opt.rest.includes('--list')) {
    console.log(Object.keys(cases).join('\n'));
    process.exit(0);
}
const expected = record || !fs.existsSync(expectedPath) ? {} : JSON.parse(fs.readFileSync(expectedPath, 'utf8'));
const tally = new Tally();
for (const [name, run] of Object.entries(cases)) {
    if (only.length > 0 && !only.includes(name)) continue;
    patience = record || !expected[name] || expected[name].includes('silent') ? 1 : 20;
    let said;
    try {
        said = await Promise.race([run(), pause(60000).then(() => { throw new Error('the case hung'); })]);
    } catch (error) {
        said = [`broken: ${error.message}`];
    }
    if (record) {
        expected[name] = said;
        tally.passed++;
    } else {
        tally.equal(name, said, expected[name]);
    }
    try {
        const wire = await connect(opt);
        const got = await wire.query('SELECT 1');
        wire.end();
        if (got[got.length - 1]?.type !== 'Z') tally.check(`alive after: ${name}`, false);
    } catch (error) {
        tally.check(`alive after: ${name}`, false, error.message);
        await pause(2000); // perhaps it restarts: let the next case have its chance
    }
}
if (record) fs.writeFileSync(expectedPath, '{\n' + Object.entries(expected).map(([k, v]) => `  ${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(',\n') + '\n}\n');
process.exit(tally.finish());
