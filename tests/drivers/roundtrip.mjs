// roundtrip.mjs: every type through the driver pg (prepared, pipelined, text and binary) and through
// a hand-written client (real pipelines, binary parameters, errors in the middle, portals, cancel).
// usage: node roundtrip.mjs [-h HOST] [-p PORT] [-U USER] [-d DB]
import pg from 'pg';
import { types } from './types.mjs';
import { Tally, Wire, bind, close, connect, connectionOptions, describe, execute, flush, int32, openSocket, parse, query, message, sync } from './wire.mjs';

const opt = connectionOptions();
if (opt.rest.length > 0) {
    console.error('usage: node roundtrip.mjs [-h HOST] [-p PORT] [-U USER] [-d DB]');
    process.exit(2);
}
const tally = new Tally();
const asIs = { getTypeParser: () => (value) => value };
const kinds = (messages) => messages.map((m) => m.type).join('');
const short = (text) => (text.length > 40 ? text.slice(0, 40) + '...' : text);
const watchdog = setTimeout(() => { console.log('FAIL: a test hung'); tally.failed++; tally.finish(); process.exit(1); }, 120000);

async function section(name, body) {
    try {
        await body();
    } catch (error) {
        tally.check(name, false, error.stack ?? String(error));
    }
}

function driver(extra = {}) {
    const client = new pg.Client({ host: opt.host, port: opt.port, user: opt.user, database: opt.database, password: opt.password, ...extra });
    client.on('error', () => {});
    return client;
}

// ---- the driver pg -------------------------------------------------------------------------

await section('driver', async () => {
    const client = driver();
    await client.connect();
    await client.query("SET timezone = 'UTC'");
    for (const type of types) {
        for (const { text, binary } of type.samples) {
            const label = `${type.name} ${short(text)}`;
            const named = { name: `echo ${type.name}`, text: `SELECT $1::${type.name} AS v, $1::${type.name} IS NULL AS n`, values: [text], types: asIs };
            tally.equal(`pg prepared text ${label}`, (await client.query(named)).rows[0].v, text);
            // pg reads every field as UTF-8 first, so bytes above 127 may be lost in the driver itself;
            // the hand-written client below compares the exact bytes.
            const lossy = Buffer.from(binary.toString());
            const bin = await client.query({ ...named, name: `bin ${type.name}`, binary: true });
            tally.check(`pg prepared binary ${label}`, lossy.equals(Buffer.from(bin.rows[0].v)), `got ${bin.rows[0].v?.toString('hex')}, want ${lossy.toString('hex')}`);
        }
        const nothing = await client.query({ name: `echo ${type.name}`, text: `SELECT $1::${type.name} AS v, $1::${type.name} IS NULL AS n`, values: [null], types: asIs });
        tally.equal(`pg prepared null ${type.name}`, nothing.rows[0], { v: null, n: 't' });
    }
    // the driver's own conversions
    const own = (await client.query("SELECT 1::int4 AS i, 1::int8 AS b, 1.5::float8 AS f, 1.50::numeric AS n, true AS t, 'x'::text AS s, '{1,2}'::int4[] AS a, '\\x0102'::bytea AS y, '{\"a\":1}'::text AS j, timestamptz '2024-01-01 00:00+00' AS z")).rows[0];
    tally.equal('pg conversions', { ...own, y: own.y.toString('hex'), z: own.z.toISOString() },
        { i: 1, b: '1', f: 1.5, n: '1.50', t: true, s: 'x', a: [1, 2], y: '0102', j: '{"a":1}', z: '2024-01-01T00:00:00.000Z' });
    const params = (await client.query('SELECT $1::int4 AS i, $2::bool AS b, $3::float8 AS f, $4::text AS s, $5::bytea AS y, $6::int4[] AS a, $7::timestamptz AS z', [7, true, 2.5, 'é', Buffer.from([1, 255]), [1, null, 3], new Date(0)])).rows[0];
    tally.equal('pg parameters', { ...params, y: params.y.toString('hex'), z: params.z.toISOString() }, { i: 7, b: true, f: 2.5, s: 'é', y: '01ff', a: [1, null, 3], z: '1970-01-01T00:00:00.000Z' });
    // queries queued without waiting
    const many = await Promise.all(Array.from({ length: 200 }, (_, i) => client.query({ name: 'queued', text: 'SELECT $1::int AS n', values: [i] })));
    tally.check('pg 200 queued', many.every((r, i) => r.rows[0].n === i));
    const mixed = await Promise.allSettled([client.query('SELECT 1 AS a'), client.query('SELECT 1 / 0'), client.query('SELECT nosuch'), client.query('SELECT $1::int AS a', ['x']), client.query('SELECT 2 AS a')]);
    tally.equal('pg queued errors', mixed.map((r) => r.status === 'fulfilled' ? r.value.rows[0].a : r.reason.code), [1, '22012', '42703', '22P02', 2]);
    // tables, transactions, row counts, errors with their fields
    await client.query('DROP TABLE IF EXISTS driver_t');
    await client.query('CREATE TABLE driver_t (id int PRIMARY KEY, v text NOT NULL)');
    tally.equal('pg rowCount', (await client.query('INSERT INTO driver_t SELECT g, $1 FROM generate_series(1, 1000) g', ['val'])).rowCount, 1000);
    const error = await client.query('INSERT INTO driver_t VALUES (1, $1)', ['x']).catch((e) => e);
    tally.equal('pg error fields', [error.code, error.severity, error.detail, error.constraint, error.table, error.schema], ['23505', 'ERROR', 'Key (id)=(1) already exists.', 'driver_t_pkey', 'driver_t', 'public']);
    const nn = await client.query('INSERT INTO driver_t VALUES (2000, NULL)').catch((e) => e);
    tally.equal('pg not-null fields', [nn.code, nn.column, nn.table], ['23502', 'v', 'driver_t']);
    const at = await client.query('SELECT 1 + nosuch').catch((e) => e);
    tally.equal('pg error position', [at.code, at.position], ['42703', '12']);
    await client.query('BEGIN');
    await client.query('DELETE FROM driver_t');
    await client.query('ROLLBACK');
    tally.equal('pg rollback', (await client.query('SELECT count(*)::int AS n FROM driver_t')).rows, [{ n: 1000 }]);
    tally.equal('pg several results', (await client.query('SELECT 1 AS a; SELECT 2 AS a; UPDATE driver_t SET v = v')).map((r) => r.command + ' ' + r.rowCount), ['SELECT 1', 'SELECT 1', 'UPDATE 1000']);
    tally.equal('pg empty query', (await client.query('')).rows, []);
    const big = 'x'.repeat(3000000);
    tally.check('pg 3 MB value', (await client.query('SELECT $1::text AS v', [big])).rows[0].v === big);
    const wide = (await client.query('SELECT ' + Array.from({ length: 1000 }, (_, i) => `${i} AS c${i}`).join(', '))).rows[0];
    tally.equal('pg 1000 columns', [wide.c0, wide.c999], [0, 999]);
    const manyParams = Array.from({ length: 2000 }, (_, i) => i);
    tally.equal('pg 2000 parameters', (await client.query(`SELECT ${manyParams.map((i) => `$${i + 1}::int`).join(' + ')} AS s`, manyParams)).rows[0].s, 1999000);
    const notices = [];
    client.on('notice', (n) => notices.push(n.message));
    await client.query('DROP TABLE IF EXISTS nosuch_table');
    tally.equal('pg notice', notices, ['table "nosuch_table" does not exist, skipping']);
    await client.query('DROP TABLE driver_t');
    await client.end();
    const bad = driver({ database: 'nosuch_database' });
    tally.equal('pg unknown database', (await bad.connect().catch((e) => e)).code, '3D000');
    const clients = Array.from({ length: 10 }, () => driver());
    await Promise.all(clients.map((c) => c.connect()));
    const sums = await Promise.all(clients.map((c, i) => c.query('SELECT $1::int * 2 AS n', [i])));
    tally.equal('pg ten connections', sums.map((r) => r.rows[0].n), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    await Promise.all(clients.map((c) => c.end()));
});

// ---- the hand-written client ---------------------------------------------------------------

await section('startup', async () => {
    const wire = await connect(opt, { application_name: 'roundtrip', DateStyle: 'ISO, MDY' });
    const want = ['server_version', 'server_encoding', 'client_encoding', 'application_name', 'is_superuser', 'session_authorization', 'DateStyle', 'IntervalStyle', 'TimeZone', 'integer_datetimes', 'standard_conforming_strings', 'default_transaction_read_only', 'in_hot_standby'];
    for (const name of want) tally.check(`parameter ${name} is reported`, name in wire.parameters);
    tally.check('server_version is 15', /^15\b/.test(wire.parameters.server_version ?? ''), wire.parameters.server_version);
    tally.equal('reported values', [wire.parameters.server_encoding, wire.parameters.client_encoding, wire.parameters.application_name, wire.parameters.integer_datetimes, wire.parameters.standard_conforming_strings], ['UTF8', 'UTF8', 'roundtrip', 'on', 'on']);
    await wire.query("SET application_name = 'changed'");
    tally.equal('a change is reported', wire.parameters.application_name, 'changed');
    wire.end();
});

await section('binary', async () => {
    const wire = await connect(opt, { TimeZone: 'UTC' });
    for (const type of types) {
        wire.send(parse(`s_${type.name}`, 'SELECT $1', [type.oid]), describe('S', `s_${type.name}`), sync());
        const described = await wire.untilReady();
        tally.equal(`describe ${type.name}`, [kinds(described), described.find((m) => m.type === 't')?.types, described.find((m) => m.type === 'T')?.columns[0].type], ['1tTZ', [type.oid], type.oid]);
        // all samples in one pipeline: binary in and text out, text in and binary out, binary both ways
        for (const { text, binary } of type.samples) {
            wire.send(bind('', `s_${type.name}`, [binary], [0]), execute(''), bind('', `s_${type.name}`, [text], [1]), execute(''), bind('', `s_${type.name}`, [binary], [1]), execute(''));
        }
        wire.send(bind('', `s_${type.name}`, [null], [1]), execute(''), close('S', `s_${type.name}`), sync());
        const got = await wire.untilReady();
        const failure = got.find((m) => m.type === 'E');
        tally.check(`binary ${type.name} pipeline`, failure === undefined, failure && `${failure.fields.C} ${failure.fields.M}`);
        const rows = got.filter((m) => m.type === 'D').map((m) => m.values[0]);
        type.samples.forEach(({ text, binary }, i) => {
            const label = `${type.name} ${short(text)}`;
            tally.equal(`binary in, text out ${label}`, rows[3 * i]?.toString(), text);
            tally.equal(`text in, binary out ${label}`, rows[3 * i + 1]?.toString('hex'), binary.toString('hex'));
            tally.equal(`binary in, binary out ${label}`, rows[3 * i + 2]?.toString('hex'), binary.toString('hex'));
        });
        tally.equal(`binary null ${type.name}`, rows[3 * type.samples.length], null);
    }
    // malformed binary parameters are errors, and the connection lives on
    for (const [oid, bytes, code] of [[23, '000001', '22P03'], [23, '0000000001', '22P03'], [16, '', '22P03'], [701, '00', '22P03'], [25, 'ff', '22021'], [1007, '00000001', '22P03'], [2950, '0102', '22P03'], [1700, '0001', '22P03']]) {
        wire.send(parse('', 'SELECT $1', [oid]), bind('', '', [Buffer.from(bytes, 'hex')], [0]), execute(''), sync());
        const got = await wire.untilReady();
        tally.check(`malformed binary ${oid} ${bytes}`, kinds(got) === '1EZ' && ['22P03', '08P01', '22021'].includes(got[1].fields.C), `${kinds(got)} ${got.find((m) => m.type === 'E')?.fields.C}, want ${code}`);
    }
    wire.end();
});

await section('pipeline', async () => {
    const wire = await connect(opt);
    await wire.query('DROP TABLE IF EXISTS pipe_t');
    await wire.query('CREATE TABLE pipe_t (n int PRIMARY KEY)');
    wire.send(parse('ins', 'INSERT INTO pipe_t VALUES ($1)'), sync());
    await wire.untilReady();
    const insert = (n) => Buffer.concat([bind('', 'ins', [String(n)]), execute('')]);
    // many executions, one Sync
    wire.send(...Array.from({ length: 500 }, (_, i) => insert(i)), sync());
    const all = await wire.untilReady();
    tally.equal('500 inserts before one Sync', kinds(all), '2C'.repeat(500) + 'Z');
    // an error in the middle: what follows is skipped up to Sync, what preceded is rolled back
    wire.send(insert(1000), insert(1001), insert(5), insert(1002), insert(1003), sync(), insert(2000), sync());
    const first = await wire.untilReady();
    tally.equal('error in the middle', kinds(first), '2C2C2EZ');
    tally.equal('its SQLSTATE', first.find((m) => m.type === 'E')?.fields.C, '23505');
    tally.equal('after the Sync all goes on', kinds(await wire.untilReady()), '2CZ');
    const left = await wire.query('SELECT count(*), max(n) FROM pipe_t');
    tally.equal('the pipeline was one transaction', left.find((m) => m.type === 'D').values.map(String), ['501', '2000']);
    // errors at Parse and Bind skip likewise
    wire.send(parse('', 'SELECT 1'), bind('', ''), execute(''), parse('bad', 'SELEC'), bind('', 'bad'), execute(''), sync());
    tally.equal('error in Parse', kinds(await wire.untilReady()), '12D' + 'CEZ');
    wire.send(bind('', 'bad'), execute(''), parse('', 'SELECT 1'), sync());
    const unknown = await wire.untilReady();
    tally.equal('unknown statement', [kinds(unknown), unknown[0].fields.C], ['EZ', '26000']);
    wire.send(execute('noportal'), sync());
    const noPortal = await wire.untilReady();
    tally.equal('unknown portal', [kinds(noPortal), noPortal[0].fields.C], ['EZ', '34000']);
    // explicit transaction across Syncs, status in ReadyForQuery
    wire.send(parse('', 'BEGIN'), bind('', ''), execute(''), sync(), insert(3000), sync(), insert(3000), sync(), insert(3001), sync(), query('ROLLBACK'));
    const status = [];
    for (let i = 0; i < 5; i++) {
        const got = await wire.untilReady();
        status.push(kinds(got) + got[got.length - 1].status + (got.find((m) => m.type === 'E')?.fields.C ?? ''));
    }
    tally.equal('transaction status over Syncs', status, ['12CZT', '2CZT', '2EZE23505', 'EZE25P02', 'CZI']);
    // portals in pieces, several at once
    await wire.query('BEGIN');
    wire.send(parse('gen', 'SELECT g FROM generate_series(1, $1::int) g'), bind('p1', 'gen', ['5']), bind('p2', 'gen', ['3']), describe('P', 'p1'), execute('p1', 2), execute('p2', 2), execute('p1', 2), execute('p1', 2), execute('p2', 0), execute('p2', 0), close('P', 'p1'), sync());
    const portals = await wire.untilReady();
    tally.equal('portals in pieces', kinds(portals), '122T' + 'DDs' + 'DDs' + 'DDs' + 'DC' + 'DC' + 'C' + '3Z');
    tally.equal('their rows', portals.filter((m) => m.type === 'D').map((m) => Number(m.values[0])), [1, 2, 1, 2, 3, 4, 5, 3]);
    await wire.query('COMMIT');
    // Describe, NoData, EmptyQueryResponse, Flush, Close of what is not there
    wire.send(parse('', 'CREATE TABLE pipe_u (x int)'), describe('S', ''), bind('', ''), describe('P', ''), sync());
    tally.equal('NoData', kinds(await wire.untilReady()), '1tn2nZ');
    wire.send(parse('', ''), bind('', ''), describe('P', ''), execute(''), sync());
    tally.equal('empty query', kinds(await wire.untilReady()), '12nIZ');
    tally.equal('empty simple query', kinds(await wire.query('  -- nothing\n ;')), 'IZ');
    wire.send(close('S', 'never'), close('P', 'never'), sync());
    tally.equal('Close of nothing', kinds(await wire.untilReady()), '33Z');
    wire.send(parse('', 'SELECT 42'), bind('', ''), execute(''), flush());
    const flushed = [];
    for (let i = 0; i < 4; i++) flushed.push((await wire.next()).type);
    wire.send(sync());
    tally.equal('Flush answers before Sync', flushed.join('') + kinds(await wire.untilReady()), '12DCZ');
    wire.send(parse('dup', 'SELECT 1'), sync(), parse('dup', 'SELECT 2'), sync());
    await wire.untilReady();
    const dup = await wire.untilReady();
    tally.equal('a name twice', [kinds(dup), dup[0].fields.C], ['EZ', '42P05']);
    // parameter types inferred, formats one for all, too few and too many values
    wire.send(parse('', 'SELECT n FROM pipe_t WHERE n = $1 AND upper($2) IS NOT NULL AND $3 < now()'), describe('S', ''), sync());
    const inferred = await wire.untilReady();
    tally.equal('inferred types', inferred.find((m) => m.type === 't')?.types ?? inferred.find((m) => m.type === 'E')?.fields.C, [23, 25, 1184]);
    wire.send(parse('two', 'SELECT $1::int4, $2::int4'), bind('', 'two', [int32(1), int32(2)], [1]), execute(''), bind('', 'two', ['1'], []), sync());
    const two = await wire.untilReady();
    tally.equal('one format for all; too few parameters', [kinds(two), two.find((m) => m.type === 'D')?.values.map((v) => v.toString('hex')), two.find((m) => m.type === 'E')?.fields.C], ['12DCEZ', ['00000001', '00000002'], '08P01']);
    wire.send(parse('', 'SELECT 1; SELECT 2'), sync());
    const several = await wire.untilReady();
    tally.equal('two commands in Parse', [kinds(several), several[0].fields.C], ['EZ', '42601']);
    // simple queries: several statements are one transaction, later ones are skipped after an error
    const simple = await wire.query('SELECT 1; SELECT 2; SELECT 1/0; SELECT 3');
    tally.equal('simple query with an error', kinds(simple), 'TDCTDCEZ');
    // a burst of queries sent in advance
    wire.send(...Array.from({ length: 50 }, (_, i) => query(`SELECT ${i}`)));
    let burst = true;
    for (let i = 0; i < 50; i++) burst = burst && Number((await wire.untilReady()).find((m) => m.type === 'D').values[0]) === i;
    tally.check('50 simple queries in advance', burst);
    await wire.query('DROP TABLE pipe_t');
    wire.end();
});

// The unnamed statement again and again, as drivers send it, while what its text means changes.
await section('repeated Parse', async () => {
    const wire = await connect(opt, { TimeZone: 'UTC' });
    const run = async (text, values = [], types = []) => {
        wire.send(parse('', text, types), describe('S', ''), bind('', '', values), execute(''), sync());
        const got = await wire.untilReady();
        const error = got.find((m) => m.type === 'E');
        return error ? error.fields.C : [got.find((m) => m.type === 'T')?.columns.map((c) => c.type), ...got.filter((m) => m.type === 'D').map((m) => m.values.map(String))];
    };
    await wire.query('DROP TABLE IF EXISTS again_t');
    await wire.query("CREATE TABLE again_t (a int, b text); INSERT INTO again_t VALUES (1, 'one'), (2, 'two')");
    const all = 'SELECT * FROM again_t WHERE a = $1';
    for (let i = 0; i < 3; i++) tally.equal(`repeated ${i}`, await run(all, ['2']), [[23, 25], ['2', 'two']]);
    tally.equal('other parameter types', await run('SELECT $1', ['7'], [23]), [[23], ['7']]);
    tally.equal('the same text, other types', await run('SELECT $1', ['7'], [25]), [[25], ['7']]);
    tally.equal('and none given', await run('SELECT $1', ['7']), [[25], ['7']]);
    await wire.query('ALTER TABLE again_t ADD COLUMN c bool DEFAULT true');
    tally.equal('with another column', await run(all, ['1']), [[23, 25, 16], ['1', 'one', 't']]);
    await wire.query('ALTER TABLE again_t ALTER COLUMN a TYPE bigint');
    tally.equal('with another type', await run(all, ['1']), [[20, 25, 16], ['1', 'one', 't']]);
    await wire.query('DROP TABLE again_t');
    tally.equal('without the table', await run(all, ['1']), '42P01');
    await wire.query('CREATE TABLE again_t AS SELECT 1.5 AS a');
    tally.equal('with a new one', await run('SELECT * FROM again_t WHERE a = $1', ['1.5']), [[1700], ['1.5']]);
    const instant = "SELECT extract(epoch FROM '2024-01-01 00:00'::timestamptz)::bigint";
    tally.equal('a literal in UTC', await run(instant), [[20], ['1704067200']]);
    await wire.query("SET TimeZone = 'America/New_York'");
    tally.equal('the literal elsewhere', await run(instant), [[20], ['1704085200']]);
    // a portal of the text is still open when the text comes again
    await wire.query('BEGIN');
    wire.send(parse('', 'SELECT g FROM generate_series(1, 4) g'), bind('p', ''), execute('p', 2), parse('', 'SELECT g FROM generate_series(1, 4) g'), bind('', ''), execute(''), execute('p'), sync());
    tally.equal('two portals of one text', (await wire.untilReady()).filter((m) => m.type === 'D').map((m) => Number(m.values[0])), [1, 2, 1, 2, 3, 4, 3, 4]);
    await wire.query('ROLLBACK');
    await wire.query('BEGIN');
    tally.equal('an error', await run('SELECT 1/$1::int', ['0']), '22012');
    tally.equal('in a failed transaction', await run('SELECT 1/$1::int', ['1']), '25P02');
    await wire.query('ROLLBACK');
    tally.equal('after it', await run('SELECT 1/$1::int', ['1']), [[23], ['1']]);
    await wire.query('DROP TABLE again_t');
    wire.end();
});

await section('copy', async () => {
    const wire = await connect(opt);
    await wire.query('DROP TABLE IF EXISTS copy_t');
    await wire.query('CREATE TABLE copy_t (a int, b text)');
    const data = (text) => message('d', Buffer.from(text));
    wire.send(query('COPY copy_t FROM STDIN'), data('1\tone\n2\tt'), data('wo\n'), data('3\t\\N\n'), message('c'));
    const got = await wire.untilReady();
    tally.equal('COPY in, rows split anyhow', [kinds(got), got.find((m) => m.type === 'C')?.tag], ['GCZ', 'COPY 3']);
    const out = await wire.query('COPY copy_t TO STDOUT');
    tally.equal('COPY out', [kinds(out), out.filter((m) => m.type === 'd').map((m) => m.body.toString()).join('')], ['HdddcCZ', '1\tone\n2\ttwo\n3\t\\N\n']);
    wire.send(query('COPY copy_t FROM STDIN'), data('4\tx\n'), message('f', Buffer.from('client gave up\0')));
    const failed = await wire.untilReady();
    tally.equal('CopyFail', [kinds(failed), failed.find((m) => m.type === 'E')?.fields.C, failed.find((m) => m.type === 'E')?.fields.M], ['GEZ', '57014', 'COPY from stdin failed: client gave up']);
    wire.send(query('COPY copy_t FROM STDIN'), data('x\ty\n'), data('5\tz\n'), message('c'));
    const bad = await wire.untilReady();
    tally.equal('bad COPY data', [kinds(bad), bad.find((m) => m.type === 'E')?.fields.C], ['GEZ', '22P02']);
    tally.equal('nothing of it stayed', (await wire.query('SELECT count(*) FROM copy_t')).find((m) => m.type === 'D').values.map(String), ['3']);
    wire.send(parse('', 'COPY copy_t FROM STDIN'), bind('', ''), execute(''), data('6\tsix\n'), message('c'), sync());
    tally.equal('COPY by the extended protocol', kinds(await wire.untilReady()), '12GCZ');
    await wire.query('DROP TABLE copy_t');
    wire.end();
});

await section('cancel', async () => {
    const wire = await connect(opt);
    wire.send(query('SELECT pg_sleep(30)'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const other = openSocket(opt);
    other.on('error', () => {});
    other.write(Buffer.concat([int32(16), int32(80877102), int32(wire.key.pid), int32(wire.key.secret)]));
    const began = Date.now();
    const got = await wire.untilReady();
    tally.equal('cancel', [kinds(got).replace(/^TE/, 'E'), got.find((m) => m.type === 'E')?.fields.C], ['EZ', '57014']);
    tally.check('cancel is quick', Date.now() - began < 5000);
    tally.equal('the connection lives on', kinds(await wire.query('SELECT 1')), 'TDCZ');
    other.destroy();
    wire.end();
});

clearTimeout(watchdog);
process.exit(tally.finish());
