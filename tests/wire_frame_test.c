/* Framing: messages in pieces, malformed ones, startup packets, the output buffer. */
#include "wire_util.h"

#include <pthread.h>
#include <sys/time.h>

/* Reads messages to the end; says what it saw as CommandComplete. */
static void
serve_echo(void *arg)
{
    for (;;) {
        int type = wire_read_message();
        char text[300];
        if (type == 0)
            return;
        if (type == 'Q') {
            const char *s = wire_get_string();
            wire_get_end();
            snprintf(text, sizeof(text), "Q %zu %.200s", strlen(s), s);
        } else if (type == 'B') {
            int a = wire_get_int16();
            int b = wire_get_int32();
            int c = wire_get_byte();
            snprintf(text, sizeof(text), "B %d %d %d %zu", a, b, c, wire_remaining());
            wire_get_bytes(wire_remaining());
        } else {
            snprintf(text, sizeof(text), "%c %zu", type, wire_remaining());
            if (type == 'G' || type == 'H')
                wire_begin('G'), wire_put_int16(0), wire_end();
        }
        wire_send_command_complete(text);
        if (!wire_message_pending())
            wire_flush();
    }
}

static void
fragmentation_at_every_byte(void)
{
    char all[200], body[16] = {0, 7, 0, 0, 1, 0, 42, 'x', 'y'};
    size_t n = put_message(all, 'Q', "SELECT 1", 9);
    n += put_message(all + n, 'B', body, 9);
    n += put_message(all + n, 'S', "", 0);
    n += put_message(all + n, 'Q', "h\303\251", 4);
    Client c = client_start(serve_echo, NULL);
    for (size_t cut = 0; cut <= n; cut++) {
        client_send(&c, all, cut);
        usleep(cut % 8 == 0 ? 2000 : 0);
        client_send(&c, all + cut, n - cut);
        static const char *const expected[] = {"Q 8 SELECT 1", "B 7 256 42 2", "S 0", "Q 3 h\303\251"};
        for (int i = 0; i < 4; i++) {
            CU_ASSERT_EQUAL(client_message(&c), 'C');
            CU_ASSERT_STRING_EQUAL(client_body, expected[i]);
        }
    }
    CU_ASSERT_EQUAL(client_end(&c), 0);
}

static void
byte_by_byte(void)
{
    char all[100];
    size_t n = put_message(all, 'Q', "SELECT 1", 9);
    Client c = client_start(serve_echo, NULL);
    for (size_t i = 0; i < n; i++) {
        client_send(&c, all + i, 1);
        usleep(200);
    }
    CU_ASSERT_EQUAL(client_message(&c), 'C');
    CU_ASSERT_STRING_EQUAL(client_body, "Q 8 SELECT 1");
    client_end(&c);
}

static void
large_messages_grow_and_shrink(void)
{
    Client c = client_start(serve_echo, NULL);
    static const size_t sizes[] = {60000, 65530, 65531, 65536, 70000, 200000, 1500000, 9000000, 10, 65000, 3000000, 5};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *m = malloc(sizes[i] + 100), *text = malloc(sizes[i] + 1), expected[32];
        memset(text, 'a' + (int)i, sizes[i]);
        text[sizes[i]] = '\0';
        size_t n = put_message(m, 'Q', text, sizes[i] + 1);
        n += put_message(m + n, 'S', "", 0);
        client_send(&c, m, n);
        CU_ASSERT_EQUAL(client_message(&c), 'C');
        snprintf(expected, sizeof(expected), "Q %zu %c", sizes[i], 'a' + (int)i);
        CU_ASSERT_NSTRING_EQUAL(client_body, expected, strlen(expected));
        CU_ASSERT_EQUAL(client_message(&c), 'C');
        CU_ASSERT_STRING_EQUAL(client_body, "S 0");
        free(m);
        free(text);
    }
    client_end(&c);
}

static void
pipeline_of_many_messages(void)
{
    enum { COUNT = 20000 };
    char *all = malloc(COUNT * 16);
    size_t n = 0;
    for (int i = 0; i < COUNT; i++) {
        char body[8];
        store_be32(body, (uint32_t)i);
        n += put_message(all + n, 'E', body, 1 + (size_t)i % 4);
    }
    Client c = client_start(serve_echo, NULL);
    if (fork() == 0) {
        client_send(&c, all, n);
        _exit(0);
    }
    bool good = true;
    for (int i = 0; i < COUNT; i++) {
        good &= client_message(&c) == 'C';
        good &= client_body[0] == 'E' && atoi(client_body + 2) == 1 + i % 4;
    }
    CU_ASSERT(good);
    wait(NULL);
    client_end(&c);
    free(all);
}

/* Sends raw bytes; expects an error of this SQLSTATE and text (NULL: nothing), then the end. */
static void
expect_error(const void *bytes, size_t n, const char *state, const char *message)
{
    Client c = client_start(serve_echo, NULL);
    client_send(&c, bytes, n);
    int type = client_message(&c);
    if (state == NULL) {
        CU_ASSERT_EQUAL(type, 0);
    } else {
        CU_ASSERT_EQUAL(type, 'E');
        CU_ASSERT_STRING_EQUAL(client_error_field('C'), state);
        CU_ASSERT_STRING_EQUAL(client_error_field('M'), message);
        CU_ASSERT_EQUAL(client_message(&c), 0);
    }
    client_end(&c);
}

static void
malformed_messages(void)
{
    expect_error("!\0\0\0\4", 5, "08P01", "invalid frontend message type 33");
    expect_error("p\0\0\0\4", 5, "08P01", "invalid frontend message type 112");
    expect_error("Q\0\0\0\3", 5, NULL, NULL);
    expect_error("Q\0\0\0\0", 5, NULL, NULL);
    expect_error("Q\377\377\377\377", 5, NULL, NULL);
    expect_error("Q\177\377\377\377", 5, NULL, NULL);
    expect_error("S\0\17\102\100", 5, NULL, NULL);
    expect_error("Q\0\0\0\14SELECT 1", 13, "08P01", "invalid string in message");
    expect_error("Q\0\0\0\4", 5, "08P01", "invalid string in message");
    expect_error("Q\0\0\0\10a\0b\0", 9, "08P01", "invalid message format");
    expect_error("Q\0\0\0\10a\377\376\0", 9, "22021", "invalid byte sequence for encoding \"UTF8\": 0xff");
    expect_error("Q\0\0\0\10a\300\200\0", 9, "22021", "invalid byte sequence for encoding \"UTF8\": 0xc0 0x80");
    expect_error("Q\0\0\0\10a\342\202\0", 9, "22021", "invalid byte sequence for encoding \"UTF8\": 0xe2 0x82");
    expect_error("B\0\0\0\7\0\1\2", 8, "08P01", "insufficient data left in message");
    expect_error("B\0\0\0\5\0", 6, "08P01", "insufficient data left in message");
    expect_error("B\0\0\0\12\0\1\0\0\0\2", 11, "08P01", "no data left in message");
}

static void
copy_mode_knows_only_copy_messages(void)
{
    char m[100];
    size_t n = put_message(m, 'H', "", 0); /* serve_echo answers with CopyInResponse */
    n += put_message(m + n, 'd', "abc", 3);
    n += put_message(m + n, 'S', "", 0);
    n += put_message(m + n, 'c', "", 0);
    n += put_message(m + n, 'Q', "x", 2); /* after CopyDone all is as before */
    Client c = client_start(serve_echo, NULL);
    client_send(&c, m, n);
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(client_message(&c), i == 0 ? 'G' : 'C');
    n = put_message(m, 'H', "", 0);
    n += put_message(m + n, 'X', "", 0);
    client_send(&c, m, n);
    CU_ASSERT_EQUAL(client_message(&c), 'G');
    CU_ASSERT_EQUAL(client_message(&c), 'C');
    CU_ASSERT_EQUAL(client_message(&c), 'E');
    CU_ASSERT_STRING_EQUAL(client_error_field('M'), "unexpected message type 0x58 during COPY from stdin");
    client_end(&c);
}

/* ---- startup ---- */

static void
serve_startup(void *arg)
{
    WireStartup s;
    wire_read_startup(&s);
    if (s.is_cancel) {
        char text[64];
        snprintf(text, sizeof(text), "%u %u", s.cancel_pid, s.cancel_key);
        wire_send_parameter_status("cancel", text);
        return;
    }
    wire_send_parameter_status("user", s.user);
    wire_send_parameter_status("database", s.database);
    for (int i = 0; i < s.noptions; i++)
        wire_send_parameter_status(s.names[i], s.values[i]);
    wire_send_ready('I');
}

/* Everything the server says, as text: S name=value, E message, Z. */
static const char *
startup_answer(const void *bytes, size_t n)
{
    static char said[2000];
    Client c = client_start(serve_startup, NULL);
    size_t len = 0;
    int type;
    client_send(&c, bytes, n);
    shutdown(c.fd, SHUT_WR);
    said[0] = '\0';
    while ((type = client_message(&c)) != 0) {
        if (type == 'S')
            len += (size_t)snprintf(said + len, sizeof(said) - len, "%s=%s ", client_body,
                                    client_body + strlen(client_body) + 1);
        else if (type == 'E')
            len += (size_t)snprintf(said + len, sizeof(said) - len, "%s %s %s", client_error_field('V'),
                                    client_error_field('C'), client_error_field('M'));
        else if (type == 'v')
            len += (size_t)snprintf(said + len, sizeof(said) - len, "v%u.%u ", load_be32(client_body) >> 16,
                                    load_be32(client_body + 4));
        else
            len += (size_t)snprintf(said + len, sizeof(said) - len, "%c", type);
    }
    client_end(&c);
    return said;
}

#define STARTUP(version, text) (n = put_startup(p, version, text, sizeof(text)), startup_answer(p, n))

static void
startup_packets(void)
{
    char p[30000];
    size_t n;
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0database\0d\0"), "user=joe database=d Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0"), "user=joe database=joe Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0work_mem\0""3MB\0options\0-c a-b=x\\ y --c=d -S 64 -F\0"),
                           "user=joe database=joe a_b=x y c=d work_mem=64 fsync=false work_mem=3MB Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0options\0-Z\0"),
                           "FATAL 42601 invalid command-line argument for server process: -Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "database\0joe\0"),
                           "FATAL 28000 no PostgreSQL user name specified in startup packet");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, ""), "FATAL 28000 no PostgreSQL user name specified in startup packet");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30009, "user\0joe\0"), "v3.0 user=joe database=joe Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0_pq_.x\0y\0"), "v3.1 user=joe database=joe Z");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x40000, "user\0joe\0"),
                           "FATAL 0A000 unsupported frontend protocol 4.0: server supports 3.0 to 3.0");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x30000, "user\0joe\0abc"),
                           "FATAL 08P01 invalid startup packet layout: expected terminator as last byte");
    n = put_startup(p, 0x30000, "user\0joe", 9);
    CU_ASSERT_STRING_EQUAL(startup_answer(p, n),
                           "FATAL 08P01 invalid startup packet layout: expected terminator as last byte");
    CU_ASSERT_STRING_EQUAL(STARTUP(0x20000, "user\0joe\0"), "");
    CU_ASSERT_STRING_EQUAL(startup_answer("\0\0\0\3", 4), "");
    CU_ASSERT_STRING_EQUAL(startup_answer("\0\0\0\7abc", 7), "");
    CU_ASSERT_STRING_EQUAL(startup_answer("\177\377\377\377\0\3\0\0", 8), "");
    CU_ASSERT_STRING_EQUAL(startup_answer("GET / HTTP/1.1\r\n\r\n", 18), "");
    CU_ASSERT_STRING_EQUAL(startup_answer("\0\0\0\20\4\322\26\56\0\0\0\5\0\0\0\6", 16), "cancel=5 6 ");
    CU_ASSERT_STRING_EQUAL(startup_answer("\0\0\0\14\4\322\26\56\0\0\0\5", 12), "");
    memset(p, 'x', sizeof(p));
    store_be32(p, 20000);
    store_be32(p + 4, 0x30000);
    CU_ASSERT_STRING_EQUAL(startup_answer(p, 20000), "");
}

static void
encryption_requests_are_declined(void)
{
    char p[100], byte;
    size_t n = put_startup(p, 0x30000, "user\0joe\0", 10);
    Client c = client_start(serve_startup, NULL);
    client_send(&c, "\0\0\0\10\4\322\26\60", 8);
    CU_ASSERT(client_receive(&c, &byte, 1) && byte == 'N');
    client_send(&c, "\0\0\0\10\4\322\26\57", 8);
    CU_ASSERT(client_receive(&c, &byte, 1) && byte == 'N');
    client_send(&c, p, n);
    CU_ASSERT_EQUAL(client_message(&c), 'S');
    client_end(&c);
    c = client_start(serve_startup, NULL); /* twice the same */
    client_send(&c, "\0\0\0\10\4\322\26\57", 8);
    CU_ASSERT(client_receive(&c, &byte, 1) && byte == 'N');
    client_send(&c, "\0\0\0\10\4\322\26\57", 8);
    CU_ASSERT_EQUAL(client_message(&c), 'E');
    CU_ASSERT_STRING_EQUAL(client_error_field('M'), "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.0");
    client_end(&c);
}

/* ---- output ---- */

static void
serve_output(void *arg)
{
    wire_begin('D'); /* given up half way, as by an error in an output function */
    wire_put_string("never seen");
    ErrReport r = {.level = LEVEL_ERROR, .sqlstate = SQLSTATE_SYNTAX_ERROR, .message = "m\303\244h", .detail = "d",
                   .position = 5, .internal_position = -1, .file = "core/x/y.c", .line = 7, .func = "f"};
    wire_send_error(&r, "\303\244\303\266 x"); /* byte 5 is the third character behind two of two bytes */
    for (int i = 0; i < 3000; i++) {
        wire_begin('D');
        wire_put_int16(1);
        wire_put_int32(i);
        for (int k = 0; k < i; k++)
            wire_put_byte(i);
        wire_end();
    }
    wire_send_ready('T');
    wire_begin('D');
    wire_put_int32(1);
}

static void
output_arrives_whole_and_in_order(void)
{
    Client c = client_start(serve_output, NULL);
    CU_ASSERT_EQUAL(client_message(&c), 'E');
    CU_ASSERT_STRING_EQUAL(client_error_field('S'), "ERROR");
    CU_ASSERT_STRING_EQUAL(client_error_field('C'), "42601");
    CU_ASSERT_STRING_EQUAL(client_error_field('M'), "m\303\244h");
    CU_ASSERT_STRING_EQUAL(client_error_field('P'), "4");
    CU_ASSERT_STRING_EQUAL(client_error_field('F'), "y.c");
    CU_ASSERT_STRING_EQUAL(client_error_field('L'), "7");
    bool good = true;
    usleep(20000); /* the server fills the socket and must wait */
    for (int i = 0; i < 3000; i++) {
        good &= client_message(&c) == 'D' && client_body_bytes == 6 + (size_t)i;
        good &= (int)load_be32(client_body + 2) == i && (i == 0 || client_body[5 + i] == (char)i);
    }
    CU_ASSERT(good);
    CU_ASSERT_EQUAL(client_message(&c), 'Z');
    CU_ASSERT_EQUAL(client_message(&c), 0);
    client_end(&c);
}

static void
serve_endless(void *arg)
{
    char block[1000] = {0};
    for (int i = 0; i < 100000 && wire_connected(); i++) {
        wire_begin('d');
        wire_put_bytes(block, sizeof(block));
        wire_end();
    }
    _exit(wire_connected() ? 1 : 42);
}

static void
a_client_that_leaves_is_noticed(void)
{
    Client c = client_start(serve_endless, NULL);
    client_message(&c);
    int status = client_end(&c);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

int
main(void)
{
    test_boot();
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("wire_frame", NULL, NULL);
    CU_add_test(s, "fragmentation at every byte", fragmentation_at_every_byte);
    CU_add_test(s, "byte by byte", byte_by_byte);
    CU_add_test(s, "large messages grow and shrink the buffer", large_messages_grow_and_shrink);
    CU_add_test(s, "a pipeline of many messages", pipeline_of_many_messages);
    CU_add_test(s, "malformed messages", malformed_messages);
    CU_add_test(s, "copy mode knows only copy messages", copy_mode_knows_only_copy_messages);
    CU_add_test(s, "startup packets", startup_packets);
    CU_add_test(s, "encryption requests are declined", encryption_requests_are_declined);
    CU_add_test(s, "output arrives whole and in order", output_arrives_whole_and_in_order);
    CU_add_test(s, "a client that leaves is noticed", a_client_that_leaves_is_noticed);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed ? 1 : 0;
}
