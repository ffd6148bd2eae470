// wire.mjs: a small client of PostgreSQL's protocol 3, written by hand, so that tests can send
// exactly the messages they mean to: pipelines, binary parameters, and malformed ones.
import net from 'node:net';
import crypto from 'node:crypto';

export function connectionOptions(argv = process.argv.slice(2)) {
    const env = process.env;
    const opt = { host: env.PGHOST || '/tmp', port: Number(env.PGPORT || 5432), user: env.PGUSER || 'postgres',
                  database: env.PGDATABASE || 'postgres', password: env.PGPASSWORD || '', rest: [] };
    const names = { '-h': 'host', '-p': 'port', '-U': 'user', '-d': 'database' };
    for (let i = 0; i < argv.length; i++) {
        if (names[argv[i]] !== undefined && i + 1 < argv.length) {
            opt[names[argv[i]]] = argv[i] === '-p' ? Number(argv[++i]) : argv[++i];
        } else {
            opt.rest.push(argv[i]);
        }
    }
    return opt;
}

export function openSocket(opt) {
    return opt.host.startsWith('/')
        ? net.connect({ path: `${opt.host}/.s.PGSQL.${opt.port}` })
        : net.connect({ host: opt.host, port: opt.port, noDelay: true });
}

// ---- building messages ---------------------------------------------------------------------

export const int16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n & 0xffff); return b; };
export const int32 = (n) => { const b = Buffer.alloc(4); b.writeInt32BE(n | 0); return b; };
export const cstr = (s) => Buffer.concat([Buffer.from(s), Buffer.from([0])]);
export const message = (type, ...parts) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
};
export const startup = (params, version = 0x30000) => {
    const body = Buffer.concat([int32(version), ...Object.entries(params).flatMap(([k, v]) => [cstr(k), cstr(v)]), Buffer.from([0])]);
    return Buffer.concat([int32(body.length + 4), body]);
};
export const query = (sql) => message('Q', cstr(sql));
export const parse = (name, sql, types = []) => message('P', cstr(name), cstr(sql), int16(types.length), ...types.map(int32));
// values: null, a Buffer (binary) or a string (text)
export const bind = (portal, statement, values = [], resultFormats = []) => message('B', cstr(portal), cstr(statement),
    int16(values.length), ...values.map((v) => int16(Buffer.isBuffer(v) ? 1 : 0)),
    int16(values.length), ...values.map((v) => {
        if (v === null) return int32(-1);
        const b = Buffer.isBuffer(v) ? v : Buffer.from(String(v));
        return Buffer.concat([int32(b.length), b]);
    }),
    int16(resultFormats.length), ...resultFormats.map(int16));
export const describe = (kind, name) => message('D', Buffer.from(kind), cstr(name));
export const execute = (portal, limit = 0) => message('E', cstr(portal), int32(limit));
export const close = (kind, name) => message('C', Buffer.from(kind), cstr(name));
export const sync = () => message('S');
export const flush = () => message('H');
export const terminate = () => message('X');

// ---- reading messages ----------------------------------------------------------------------

function readCstr(body, at) {
    const end = body.indexOf(0, at);
    return [body.toString('utf8', at, end), end + 1];
}

export function decode(type, body) {
    const m = { type, body };
    if (type === 'E' || type === 'N') {
        m.fields = {};
        for (let at = 0; body[at] !== 0 && at < body.length;) {
            const key = String.fromCharCode(body[at]);
            [m.fields[key], at] = readCstr(body, at + 1);
        }
    } else if (type === 'T') {
        m.columns = [];
        for (let i = 0, at = 2, name; i < body.readUInt16BE(0); i++) {
            [name, at] = readCstr(body, at);
            m.columns.push({ name, type: body.readUInt32BE(at + 6), size: body.readInt16BE(at + 10),
                             modifier: body.readInt32BE(at + 12), format: body.readUInt16BE(at + 16) });
            at += 18;
        }
    } else if (type === 't') {
        m.types = Array.from({ length: body.readUInt16BE(0) }, (_, i) => body.readUInt32BE(2 + 4 * i));
    } else if (type === 'D') {
        m.values = [];
        for (let i = 0, at = 2; i < body.readUInt16BE(0); i++) {
            const size = body.readInt32BE(at);
            at += 4;
            m.values.push(size < 0 ? null : body.subarray(at, at + size));
            at += Math.max(size, 0);
        }
    } else if (type === 'C') {
        m.tag = readCstr(body, 0)[0];
    } else if (type === 'S') {
        const [key, at] = readCstr(body, 0);
        m.key = key;
        m.value = readCstr(body, at)[0];
    } else if (type === 'Z') {
        m.status = String.fromCharCode(body[0]);
    } else if (type === 'K') {
        m.pid = body.readInt32BE(0);
        m.secret = body.readInt32BE(4);
    } else if (type === 'R') {
        m.code = body.readInt32BE(0);
    }
    return m;
}

// A connection that hands out decoded messages in order.
export class Wire {
    constructor(socket) {
        this.socket = socket;
        this.pending = Buffer.alloc(0);
        this.messages = [];
        this.waiters = [];
        this.closed = false;
        this.parameters = {};
        this.raw = false; // true: no framing, for the one-byte answers to SSLRequest
        this.bytes = [];
        socket.on('data', (chunk) => this.#feed(chunk));
        socket.on('error', () => {});
        socket.on('close', () => { this.closed = true; this.#wake(); });
    }

    #feed(chunk) {
        if (this.raw) {
            this.bytes.push(...chunk);
            this.#wake();
            return;
        }
        this.pending = Buffer.concat([this.pending, chunk]);
        while (this.pending.length >= 5) {
            const size = this.pending.readUInt32BE(1);
            if (this.pending.length < size + 1) break;
            const m = decode(String.fromCharCode(this.pending[0]), this.pending.subarray(5, size + 1));
            if (m.type === 'S') this.parameters[m.key] = m.value;
            this.messages.push(m);
            this.pending = this.pending.subarray(size + 1);
        }
        this.#wake();
    }

    #wake() {
        for (const w of this.waiters.splice(0)) w();
    }

    send(...buffers) {
        this.socket.write(Buffer.concat(buffers));
    }

    // The next message; null when the server has closed the connection; throws after `ms`.
    async next(ms = 10000) {
        const end = Date.now() + ms;
        while (this.messages.length === 0) {
            if (this.closed) return null;
            await this.#wait(end);
        }
        return this.messages.shift();
    }

    async #wait(end) {
        const left = end - Date.now();
        if (left <= 0) throw new Error('no answer in time');
        await new Promise((resolve) => {
            const timer = setTimeout(resolve, left);
            this.waiters.push(() => { clearTimeout(timer); resolve(); });
        });
    }

    async nextByte(ms = 5000) {
        const end = Date.now() + ms;
        while (this.bytes.length === 0) {
            if (this.closed) return null;
            await this.#wait(end);
        }
        return String.fromCharCode(this.bytes.shift());
    }

    // All messages up to and with ReadyForQuery (or the end of the connection).
    async untilReady(ms = 10000) {
        const got = [];
        for (;;) {
            const m = await this.next(ms);
            if (m === null) return got;
            if (m.type === 'S' || m.type === 'N') { if (m.type === 'N') got.push(m); continue; }
            got.push(m);
            if (m.type === 'Z') return got;
        }
    }

    async query(sql, ms) {
        this.send(query(sql));
        return this.untilReady(ms);
    }

    end() {
        if (!this.closed) this.socket.end(terminate());
    }
}

export async function connect(opt, extra = {}) {
    const wire = new Wire(openSocket(opt));
    wire.send(startup({ user: opt.user, database: opt.database, client_encoding: 'UTF8', ...extra }));
    for (;;) {
        const m = await wire.next();
        if (m === null) throw new Error('the server closed the connection during startup');
        if (m.type === 'E') throw new Error(`startup: ${m.fields.C} ${m.fields.M}`);
        if (m.type === 'R' && m.code === 3) wire.send(message('p', cstr(opt.password)));
        if (m.type === 'R' && m.code === 5) wire.send(message('p', cstr(md5Password(opt, m.body.subarray(4, 8)))));
        if (m.type === 'R' && m.code === 10) throw new Error('SCRAM is not spoken here: use trust for the tests');
        if (m.type === 'K') wire.key = m;
        if (m.type === 'Z') return wire;
    }
}

function md5Password(opt, salt) {
    const md5 = (x) => crypto.createHash('md5').update(x).digest('hex');
    return 'md5' + md5(Buffer.concat([Buffer.from(md5(opt.password + opt.user)), salt]));
}

// Counting and printing, the same in every test program.
export class Tally {
    passed = 0;
    failed = 0;
    check(name, ok, detail = '') {
        if (ok) this.passed++;
        else {
            this.failed++;
            console.log(`FAIL ${name}${detail === '' ? '' : ': ' + String(detail).slice(0, 400)}`);
        }
        return ok;
    }
    equal(name, got, want) {
        const a = JSON.stringify(got), b = JSON.stringify(want);
        return this.check(name, a === b, `got ${a}, want ${b}`);
    }
    finish() {
        console.log(`${this.passed} passed, ${this.failed} failed`);
        return this.failed === 0 ? 0 : 1;
    }
}
