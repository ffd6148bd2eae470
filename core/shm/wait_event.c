/* The names of wait events, from wait_events.def. */
#include "core/shm/proc.h"

static const struct {
    uint32_t event;
    const char *name;
} events[] = {
#define WAIT_EVENT(class, number, ident, text) {WAIT_CLASS_##class | (number), text},
#include "core/shm/wait_events.def"
#undef WAIT_EVENT
};

const char *
wait_event_name(uint32_t event)
{
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (events[i].event == event)
            return events[i].name;
    return event ? "Other" : NULL;
}

const char *
wait_event_class_name(uint32_t event)
{
    switch (event & 0xFF000000u) {
    case WAIT_CLASS_LWLOCK:
        return "LWLock";
    case WAIT_CLASS_LOCK:
        return "Lock";
    case WAIT_CLASS_BUFFERPIN:
        return "BufferPin";
    case WAIT_CLASS_ACTIVITY:
        return "Activity";
    case WAIT_CLASS_CLIENT:
        return "Client";
    case WAIT_CLASS_IPC:
        return "IPC";
    case WAIT_CLASS_TIMEOUT:
        return "Timeout";
    case WAIT_CLASS_IO:
        return "IO";
    default:
        return NULL;
    }
}
