// CUDA's driver without a GPU: memory is the host's, and a stream is a list of things to do, of which as many are done as
// can be whenever an event is asked for. As in the real one, a copy to the host blocks until all before it is done.
//
//     cc -O2 -fPIC -shared -o libcuda.so.1 libcuda.c
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, NOT_READY = 600, ROOM = 1024 };

// A thing to do: 1 once it is done.
typedef struct Task {
    struct Task *next;
    int (*step)(void *what);
    void *what;
} Task;
typedef struct {
    Task *first, **end;
    uint64_t told, done;
} Stream;
typedef struct {
    Stream *stream;
    uint64_t at;
} Event;

static struct { uintptr_t at; size_t bytes; } live[ROOM];
static __thread int depth;

static int devices(void) {
    const char *text = getenv("MOCK_GPUS");
    return text ? atoi(text) : 1;
}

static void *checked(uintptr_t at, size_t bytes) {
    for (int i = 0; i < ROOM; i++)
        if (live[i].at && at >= live[i].at && at + bytes <= live[i].at + live[i].bytes) return (void *)at;
    fprintf(stderr, "mock CUDA: %zu bytes at %zx are not allocated\n", bytes, (size_t)at);
    abort();
}

static int carry_on(Stream *stream) {
    while (stream->first && stream->first->step(stream->first->what)) {
        Task *done = stream->first;
        stream->first = done->next;
        if (!stream->first) stream->end = &stream->first;
        free(done);
        stream->done++;
    }
    return !stream->first;
}

// For the mock of NCCL.
void mock_enqueue(void *opaque, int (*step)(void *what), void *what) {
    Stream *stream = opaque;
    Task *task = malloc(sizeof *task);
    *task = (Task){NULL, step, what};
    *stream->end = task;
    stream->end = &task->next;
    stream->told++;
}
void *mock_memory(const void *at, size_t bytes) { return checked((uintptr_t)at, bytes); }
int mock_entered(void) { return depth > 0; }

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
int cuDeviceGetCount(int *count) { *count = devices(); return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal < devices() ? OK : INVALID_DEVICE; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)(intptr_t)(device + 1); return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return OK; }
int cuCtxPushCurrent_v2(void *context) { (void)context; depth++; return OK; }
int cuCtxPopCurrent_v2(void **context) { *context = NULL; return depth-- > 0 ? OK : INVALID_CONTEXT; }

int cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    if (!depth) return INVALID_CONTEXT;
    Stream *made = calloc(1, sizeof *made);
    made->end = &made->first;
    *stream = made;
    return OK;
}
int cuEventCreate(void **event, unsigned flags) {
    (void)flags;
    *event = calloc(1, sizeof(Event));
    return depth ? OK : INVALID_CONTEXT;
}
int cuEventRecord(void *event, void *stream) {
    *(Event *)event = (Event){stream, ((Stream *)stream)->told};
    return depth ? OK : INVALID_CONTEXT;
}
int cuEventQuery(void *opaque) {
    Event *event = opaque;
    if (event->stream) carry_on(event->stream);
    return !event->stream || event->stream->done >= event->at ? OK : NOT_READY;
}

int cuMemAlloc_v2(uint64_t *at, size_t bytes) {
    if (!depth) return INVALID_CONTEXT;
    if (!bytes) return INVALID_VALUE;
    // A card of 64 MiB.
    if (bytes > 64u << 20) return OUT_OF_MEMORY;
    for (int i = 0; i < ROOM; i++) {
        if (!live[i].at) {
            // What is not written must not pass for a result.
            *at = live[i].at = (uintptr_t)memset(malloc(bytes), 0xff, bytes);
            live[i].bytes = bytes;
            return OK;
        }
    }
    return OUT_OF_MEMORY;
}
int cuMemFree_v2(uint64_t at) {
    for (int i = 0; i < ROOM; i++) {
        if (live[i].at == at) {
            free((void *)(uintptr_t)at);
            live[i].at = 0;
            return OK;
        }
    }
    return INVALID_VALUE;
}

typedef struct {
    void *to, *from;
    size_t bytes;
} Copy;
static int copy(void *opaque) {
    Copy *what = opaque;
    memcpy(what->to, what->from, what->bytes);
    free(what->from);
    free(what);
    return 1;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    if (!depth) return INVALID_CONTEXT;
    // The real one takes pageable memory's values before it returns.
    Copy *what = malloc(sizeof *what);
    *what = (Copy){checked(to, bytes), memcpy(malloc(bytes), from, bytes), bytes};
    mock_enqueue(stream, copy, what);
    return OK;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    if (!depth) return INVALID_CONTEXT;
    while (!carry_on(stream)) sched_yield();
    memcpy(to, checked(from, bytes), bytes);
    return OK;
}

int cuGetErrorString(int error, const char **text) { (void)error; *text = "the mock driver's error"; return OK; }
