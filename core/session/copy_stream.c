/*
 * COPY over the wire: CopyInResponse, CopyData, CopyDone, CopyFail, CopyOutResponse.
 */
#include "core/session/session_internal.h"

static void
begin(char type, int ncolumns, bool binary)
{
    wire_begin(type);
    wire_put_byte(binary ? 1 : 0);
    wire_put_int16(ncolumns);
    for (int i = 0; i < ncolumns; i++)
        wire_put_int16(binary ? 1 : 0);
    wire_end();
}

static void
begin_in(void *arg, int ncolumns, bool binary)
{
    (void)arg;
    begin('G', ncolumns, binary);
    wire_flush();
}

static bool
read_data(void *arg, const char **data, size_t *n)
{
    (void)arg;
    for (;;) {
        CHECK_INTERRUPTS();
        int type = wire_read_message();
        switch (type) {
        case 'd':
            *n = wire_remaining();
            *data = wire_get_bytes(*n);
            return true;
        case 'c': return false;
        case 'f': RAISE(SQLSTATE_QUERY_CANCELED, "COPY from stdin failed: %s", wire_get_string());
        case 'H': case 'S': continue; /* harmless in the middle of a COPY */
        case 0: RAISE_FATAL(SQLSTATE_CONNECTION_FAILURE, "unexpected EOF on client connection with an open transaction");
        default: RAISE(SQLSTATE_PROTOCOL_VIOLATION, "unexpected message type 0x%02X during COPY from stdin", type);
        }
    }
}

static void
begin_out(void *arg, int ncolumns, bool binary)
{
    (void)arg;
    begin('H', ncolumns, binary);
}

static void
write_data(void *arg, const char *data, size_t n)
{
    (void)arg;
    wire_begin('d');
    wire_put_bytes(data, n);
    wire_end();
}

static void
end_out(void *arg)
{
    (void)arg;
    wire_begin('c');
    wire_end();
}

CopyStream wire_copy_stream = {begin_in, read_data, begin_out, write_data, end_out, NULL};
