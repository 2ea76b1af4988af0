/* Several processes over NVIDIA's NCCL, each with a GPU of its own, for buckets in host memory.

   libnccl.so.2 and libcuda.so.1 are opened when they are needed, and their few functions declared here, so that this
   compiles and loads where there is neither CUDA nor NCCL:

       cc -O2 -fPIC -shared -I plugins/include -o libcollective_nccl.so nccl.c -ldl -lpthread

   A bucket is copied to the GPU and summed on one stream, and copied back on another: a copy to host memory blocks until all
   that is before it on its stream is done, so it starts when the sum is known to be done. All waits poll, so that they have a
   limit and can be broken off. Between GPUs of one machine NCCL doesn't notice that a process has died; over a network its
   connections break and it does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "palimpsest.h"

/* CUDA's driver interface. */
typedef int CuResult;
typedef uint64_t CuAddress;
enum { CU_NOT_READY = 600, CU_STREAM_NON_BLOCKING = 1, CU_EVENT_DISABLE_TIMING = 2 };
/* NCCL's. */
typedef int NcclResult;
typedef void *NcclComm;
typedef struct {
    char internal[128];
} NcclId;
enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7 };
enum { NCCL_UINT8 = 1, NCCL_FLOAT32 = 7, NCCL_FLOAT64 = 8, NCCL_SUM = 0 };
/* The configuration of NCCL 2.14, which later ones read; `blocking` is all that is set. */
typedef struct {
    size_t size;
    unsigned magic, version;
    int blocking;
} NcclConfig;

static struct {
    CuResult (*init)(unsigned flags);
    CuResult (*device_get)(int *device, int ordinal);
    CuResult (*device_count)(int *count);
    CuResult (*retain)(void **context, int device);
    CuResult (*release)(int device);
    CuResult (*push)(void *context);
    CuResult (*pop)(void **context);
    CuResult (*stream_create)(void **stream, unsigned flags);
    CuResult (*event_create)(void **event, unsigned flags);
    CuResult (*event_record)(void *event, void *stream);
    CuResult (*event_query)(void *event);
    CuResult (*allocate)(CuAddress *at, size_t bytes);
    CuResult (*free)(CuAddress at);
    CuResult (*to_device)(CuAddress to, const void *from, size_t bytes, void *stream);
    CuResult (*to_host)(void *to, CuAddress from, size_t bytes, void *stream);
    CuResult (*error_text)(CuResult result, const char **text);
} cu;

static struct {
    NcclResult (*version)(int *version);
    NcclResult (*unique_id)(NcclId *id);
    NcclResult (*init)(NcclComm *comm, int size, NcclId id, int rank, NcclConfig *config);
    NcclResult (*async_error)(NcclComm comm, NcclResult *error);
    NcclResult (*all_reduce)(const void *from, void *to, size_t count, int type, int op, NcclComm comm, void *stream);
    NcclResult (*broadcast)(const void *from, void *to, size_t count, int type, int root, NcclComm comm, void *stream);
    NcclResult (*send)(const void *from, size_t count, int type, int peer, NcclComm comm, void *stream);
    NcclResult (*receive)(void *to, size_t count, int type, int peer, NcclComm comm, void *stream);
    NcclResult (*group_start)(void);
    NcclResult (*group_end)(void);
    NcclResult (*finalize)(NcclComm comm);
    NcclResult (*destroy)(NcclComm comm);
    NcclResult (*abort)(NcclComm comm);
    const char *(*error_text)(NcclResult result);
    const char *(*last_error)(NcclComm comm);
} nccl;

typedef struct {
    void **place;
    const char *name;
} Symbol;
#define SYMBOL(table, field, name) {(void **)&table.field, name}

static const Symbol of_cuda[] = {
    SYMBOL(cu, init, "cuInit"),
    SYMBOL(cu, device_get, "cuDeviceGet"),
    SYMBOL(cu, device_count, "cuDeviceGetCount"),
    SYMBOL(cu, retain, "cuDevicePrimaryCtxRetain"),
    SYMBOL(cu, release, "cuDevicePrimaryCtxRelease_v2"),
    SYMBOL(cu, push, "cuCtxPushCurrent_v2"),
    SYMBOL(cu, pop, "cuCtxPopCurrent_v2"),
    SYMBOL(cu, stream_create, "cuStreamCreate"),
    SYMBOL(cu, event_create, "cuEventCreate"),
    SYMBOL(cu, event_record, "cuEventRecord"),
    SYMBOL(cu, event_query, "cuEventQuery"),
    SYMBOL(cu, allocate, "cuMemAlloc_v2"),
    SYMBOL(cu, free, "cuMemFree_v2"),
    SYMBOL(cu, to_device, "cuMemcpyHtoDAsync_v2"),
    SYMBOL(cu, to_host, "cuMemcpyDtoHAsync_v2"),
    SYMBOL(cu, error_text, "cuGetErrorString"),
    {NULL, NULL},
};

static const Symbol of_nccl[] = {
    SYMBOL(nccl, version, "ncclGetVersion"),
    SYMBOL(nccl, unique_id, "ncclGetUniqueId"),
    SYMBOL(nccl, init, "ncclCommInitRankConfig"),
    SYMBOL(nccl, async_error, "ncclCommGetAsyncError"),
    SYMBOL(nccl, all_reduce, "ncclAllReduce"),
    SYMBOL(nccl, broadcast, "ncclBroadcast"),
    SYMBOL(nccl, send, "ncclSend"),
    SYMBOL(nccl, receive, "ncclRecv"),
    SYMBOL(nccl, group_start, "ncclGroupStart"),
    SYMBOL(nccl, group_end, "ncclGroupEnd"),
    SYMBOL(nccl, finalize, "ncclCommFinalize"),
    SYMBOL(nccl, destroy, "ncclCommDestroy"),
    SYMBOL(nccl, abort, "ncclCommAbort"),
    SYMBOL(nccl, error_text, "ncclGetErrorString"),
    SYMBOL(nccl, last_error, "ncclGetLastError"),
    {NULL, NULL},
};

enum { MILLISECOND = 1000000 };
/* How long a wait asks without a pause, and its pauses then. */
enum { PATIENCE = 2 * MILLISECOND, PAUSE = 50000 };
/* How long an abort may hold up the process that ends. */
enum { ABORT_MS = 1000 };

/* An operation: what it copies, and memory on the GPU that is kept for the next. */
typedef struct Work {
    struct Work *next;
    const char *what;
    CuAddress at;
    size_t room;
    /* When the sum is done, and when its result is back. */
    void *done, *back;
    uint8_t *out;
    CuAddress from;
    size_t bytes;
} Work;

typedef struct {
    int rank, size;
    /* The GPU's number, and what the driver calls it. */
    int ordinal, device;
    uint64_t limit_ms;
    void *context, *sums, *copies;
    NcclComm comm;
    /* Guards `comm` against an abort by another thread. */
    pthread_mutex_t lock;
    atomic_bool dead;
    /* Works that nobody uses, and the event of the one that was started last. */
    Work *idle;
    void *last;
} Engine;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 * MILLISECOND + (uint64_t)time.tv_nsec;
}

static uint32_t failed(PalimpsestError *error, const char *message, const char *mend) {
    return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, message, NULL, mend);
}

static uint32_t fail(Engine *engine, PalimpsestError *error, const char *message, const char *mend) {
    atomic_store(&engine->dead, true);
    return failed(error, message, mend);
}

static uint32_t cuda_failed(Engine *engine, PalimpsestError *error, const char *what, CuResult result) {
    const char *text = NULL;
    char message[512];
    if (cu.error_text(result, &text) != 0 || !text) {
        text = "unknown error";
    }
    snprintf(message, sizeof message, "%s failed in CUDA's driver: %s (%d)", what, text, result);
    return fail(engine, error, message, NULL);
}

static uint32_t nccl_failed(Engine *engine, PalimpsestError *error, const char *what, NcclResult result) {
    char message[1024];
    const char *more = nccl.last_error(NULL), *text = nccl.error_text(result);
    snprintf(message, sizeof message, "%s failed in NCCL: %s%s%.400s", what, text, more && *more ? ": " : "",
             more ? more : "");
    for (char *at = message; *at; at++) {
        *at = *at == '\n' ? ' ' : *at;
    }
    return fail(engine, error, message, "NCCL_DEBUG=INFO lets NCCL say more");
}

static uint32_t late(Engine *engine, PalimpsestError *error, const char *what) {
    char message[160];
    snprintf(message, sizeof message, "another process did not come to %s within %g s", what,
             (double)engine->limit_ms * 1e-3);
    return fail(engine, error, message, "one that ended or hangs says why in its own last line");
}

static bool is_dead(Engine *engine, PalimpsestError *error) {
    if (atomic_load(&engine->dead)) {
        failed(error, "the processes' connection was given up after a failure", NULL);
        return true;
    }
    return false;
}

/* Opens a library, one that the process has already first, and looks up its functions. NULL, or what is missing. */
static const char *opened(const char *name, const Symbol *symbols) {
    void *library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (!library) {
        library = dlopen(name, RTLD_NOW);
    }
    if (!library) {
        return name;
    }
    for (; symbols->place; symbols++) {
        *symbols->place = dlsym(library, symbols->name);
        if (!*symbols->place) {
            return symbols->name;
        }
    }
    return NULL;
}

static uint32_t open_nccl(int *version, PalimpsestError *error) {
    static const char name[] = "libnccl.so.2";
    const char *missing = opened(name, of_nccl);
    if (missing == name) {
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "NCCL's library libnccl.so.2 was not found", NULL,
                               "python3 -m pip install nvidia-nccl-cu13 (or -cu12, as the driver has it), with its folder "
                               "nvidia/nccl/lib in LD_LIBRARY_PATH");
    }
    if (missing || nccl.version(version) != NCCL_SUCCESS) {
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "this libnccl.so.2 is older than NCCL 2.14", NULL,
                               "python3 -m pip install nvidia-nccl-cu13");
    }
    return PALIMPSEST_CODE_OK;
}

static uint32_t about(PalimpsestInfo *info, PalimpsestError *error) {
    static char text[32];
    int version = 0;
    uint32_t code = open_nccl(&version, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    snprintf(text, sizeof text, "%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
    info->name = (PalimpsestStr)PALIMPSEST_TEXT("nccl");
    info->version = (PalimpsestStr){(const uint8_t *)text, strlen(text)};
    info->description = (PalimpsestStr)PALIMPSEST_TEXT("NVIDIA's NCCL, a GPU for each process; buckets pass through its memory");
    return PALIMPSEST_CODE_OK;
}

static uint32_t open_cuda(Engine *engine, PalimpsestError *error) {
    int count = 0;
    const char *missing = opened("libcuda.so.1", of_cuda);
    if (missing) {
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "this machine has no CUDA driver (libcuda.so.1), which NCCL needs",
                               NULL, "sum on the host, by gloo or mpi");
    }
    CuResult result = cu.init(0);
    if (result == 0) {
        result = cu.device_count(&count);
    }
    if (result != 0 || count == 0) {
        const char *text = NULL;
        char message[256];
        bool has_text = result != 0 && cu.error_text(result, &text) == 0 && text;
        snprintf(message, sizeof message, "this machine has no CUDA device that could be used%s%s", has_text ? ": " : "",
                 has_text ? text : "");
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, message, NULL, "sum on the host, by gloo or mpi");
    }
    if (engine->ordinal >= count) {
        char message[128];
        snprintf(message, sizeof message, "rank %d trains on CUDA device %d, and this machine has %d", engine->rank,
                 engine->ordinal, count);
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, message, NULL, "start one process for each GPU");
    }
    result = cu.device_get(&engine->device, engine->ordinal);
    if (result == 0) {
        result = cu.retain(&engine->context, engine->device);
    }
    if (result == 0) {
        result = cu.push(engine->context);
    }
    if (result == 0) {
        result = cu.stream_create(&engine->sums, CU_STREAM_NON_BLOCKING);
    }
    if (result == 0) {
        result = cu.stream_create(&engine->copies, CU_STREAM_NON_BLOCKING);
    }
    return result == 0 ? PALIMPSEST_CODE_OK : cuda_failed(engine, error, "opening the GPU", result);
}

/* What a wait is for. */
typedef struct {
    const char *what;
    uint64_t start;
    uint32_t (*go_on)(void *context);
    void *context;
} Wait;

/* Whether a wait that is not over may go on, after a pause; otherwise it has failed. */
static bool goes_on(Engine *engine, const Wait *wait, PalimpsestError *error) {
    if (is_dead(engine, error)) {
        return false;
    }
    uint64_t passed = now() - wait->start;
    if (passed > engine->limit_ms * MILLISECOND) {
        late(engine, error, wait->what);
        return false;
    }
    if (wait->go_on && !wait->go_on(wait->context)) {
        fail(engine, error, "this process was asked to stop while it waited for another", NULL);
        return false;
    }
    if (passed < PATIENCE) {
        sched_yield();
    } else {
        nanosleep(&(struct timespec){0, PAUSE}, NULL);
    }
    return true;
}

/* NCCL's state, unless the communicator is gone. */
static NcclResult state_of(Engine *engine) {
    NcclResult state = NCCL_SUCCESS;
    pthread_mutex_lock(&engine->lock);
    if (!atomic_load(&engine->dead)) {
        NcclResult asked = nccl.async_error(engine->comm, &state);
        state = asked == NCCL_SUCCESS ? state : asked;
    }
    pthread_mutex_unlock(&engine->lock);
    return state;
}

/* Waits until NCCL, which doesn't block, has taken in what it was told. */
static uint32_t taken_in(Engine *engine, const char *what, PalimpsestError *error) {
    Wait wait = {what, now(), NULL, NULL};
    for (;;) {
        NcclResult state = state_of(engine);
        if (state != NCCL_SUCCESS && state != NCCL_IN_PROGRESS) {
            return nccl_failed(engine, error, what, state);
        }
        if (state == NCCL_SUCCESS) {
            return is_dead(engine, error) ? PALIMPSEST_CODE_FAILURE : PALIMPSEST_CODE_OK;
        }
        if (!goes_on(engine, &wait, error)) {
            return PALIMPSEST_CODE_FAILURE;
        }
    }
}

/* Waits for an event on the GPU. */
static uint32_t reached(Engine *engine, void *event, const Wait *wait, PalimpsestError *error) {
    for (;;) {
        CuResult result = cu.event_query(event);
        if (result == 0) {
            return PALIMPSEST_CODE_OK;
        }
        if (result != CU_NOT_READY) {
            return cuda_failed(engine, error, wait->what, result);
        }
        NcclResult state = state_of(engine);
        if (state != NCCL_SUCCESS && state != NCCL_IN_PROGRESS) {
            return nccl_failed(engine, error, wait->what, state);
        }
        if (!goes_on(engine, wait, error)) {
            return PALIMPSEST_CODE_FAILURE;
        }
    }
}

/* A work with memory for so many bytes. While a sum runs on the GPU no memory is allocated or freed: CUDA may wait for the
   sum, and the sum for another process that waits for the same. */
static Work *work_for(Engine *engine, size_t bytes, PalimpsestError *error) {
    Work **best = NULL;
    for (Work **at = &engine->idle; *at; at = &(*at)->next) {
        bool fits = (*at)->room >= bytes;
        if (!best || (fits && ((*best)->room < bytes || (*at)->room < (*best)->room))) {
            best = at;
        }
    }
    Work *work = best ? *best : calloc(1, sizeof *work);
    if (!work) {
        failed(error, "out of memory", NULL);
        return NULL;
    }
    if (best) {
        *best = work->next;
    }
    if (work->room >= bytes && work->done) {
        return work;
    }
    Wait wait = {"a sum", now(), NULL, NULL};
    if (engine->last && reached(engine, engine->last, &wait, error) != PALIMPSEST_CODE_OK) {
        return NULL;
    }
    CuResult result = 0;
    if (!work->done) {
        result = cu.event_create(&work->done, CU_EVENT_DISABLE_TIMING);
        if (result == 0) {
            result = cu.event_create(&work->back, CU_EVENT_DISABLE_TIMING);
        }
    }
    if (result == 0 && work->room > 0) {
        work->room = 0;
        result = cu.free(work->at);
    }
    if (result == 0 && bytes > 0) {
        result = cu.allocate(&work->at, bytes);
        work->room = result == 0 ? bytes : 0;
    }
    if (result != 0) {
        char what[96];
        snprintf(what, sizeof what, "making room for %zu bytes on the GPU", bytes);
        cuda_failed(engine, error, what, result);
        return NULL;
    }
    return work;
}

static void *on_gpu(CuAddress at) { return (void *)(uintptr_t)at; }

/* Tells NCCL what to do with a work's elements. */
static NcclResult tell(Engine *engine, const PalimpsestTransfer *transfer, const Work *work, int type, size_t bytes) {
    if (transfer->op == PALIMPSEST_ALL_REDUCE) {
        return nccl.all_reduce(on_gpu(work->at), on_gpu(work->at), transfer->count, type, NCCL_SUM, engine->comm,
                               engine->sums);
    }
    if (transfer->op == PALIMPSEST_BROADCAST) {
        return nccl.broadcast(on_gpu(work->at), on_gpu(work->at), transfer->count, type, (int)transfer->root, engine->comm,
                              engine->sums);
    }
    size_t parts = (size_t)engine->size, count = transfer->count / parts, part = bytes / parts;
    NcclResult result = nccl.group_start();
    for (size_t k = 0; k < parts && result == NCCL_SUCCESS; k++) {
        result = nccl.send(on_gpu(work->at + k * part), count, type, (int)k, engine->comm, engine->sums);
        if (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS) {
            result = nccl.receive(on_gpu(work->from + k * part), count, type, (int)k, engine->comm, engine->sums);
        }
        result = result == NCCL_IN_PROGRESS ? NCCL_SUCCESS : result;
    }
    NcclResult ended = nccl.group_end();
    return result == NCCL_SUCCESS ? ended : result;
}

/* Starts an operation on elements of a type of NCCL's. */
static uint32_t begin(Engine *engine, const PalimpsestTransfer *transfer, int type, Work **out, PalimpsestError *error) {
    static const char *const names[] = {"a sum", "a broadcast", "an exchange"};
    const char *what = names[transfer->op];
    size_t width = type == NCCL_UINT8 ? 1 : type == NCCL_FLOAT32 ? 4 : 8;
    bool exchanges = transfer->op == PALIMPSEST_ALL_TO_ALL;
    if (transfer->count > SIZE_MAX / 2 / width) {
        return fail(engine, error, "a transfer of more bytes than can be counted", NULL);
    }
    size_t bytes = (size_t)transfer->count * width;
    Work *work = work_for(engine, exchanges ? 2 * bytes : bytes, error);
    if (!work) {
        atomic_store(&engine->dead, true);
        return PALIMPSEST_CODE_FAILURE;
    }
    work->what = what;
    work->bytes = bytes;
    work->out = exchanges ? transfer->to : transfer->data;
    work->from = exchanges ? work->at + bytes : work->at;
    if (bytes > 0) {
        bool sends = transfer->op != PALIMPSEST_BROADCAST || transfer->root == (uint32_t)engine->rank;
        /* From memory that isn't pinned, the driver may wait for the stream before it copies, without a limit: so the sum
           before is waited for here, with one. */
        Wait before = {what, now(), NULL, NULL};
        if (sends && engine->last && reached(engine, engine->last, &before, error) != PALIMPSEST_CODE_OK) {
            return PALIMPSEST_CODE_FAILURE;
        }
        CuResult copied = sends ? cu.to_device(work->at, transfer->data, bytes, engine->sums) : 0;
        if (copied != 0) {
            return cuda_failed(engine, error, what, copied);
        }
        pthread_mutex_lock(&engine->lock);
        NcclResult told = atomic_load(&engine->dead) ? NCCL_SUCCESS : tell(engine, transfer, work, type, bytes);
        pthread_mutex_unlock(&engine->lock);
        if (told != NCCL_SUCCESS && told != NCCL_IN_PROGRESS) {
            return nccl_failed(engine, error, what, told);
        }
        if (taken_in(engine, what, error) != PALIMPSEST_CODE_OK) {
            return PALIMPSEST_CODE_FAILURE;
        }
    }
    CuResult recorded = cu.event_record(work->done, engine->sums);
    if (recorded != 0) {
        return cuda_failed(engine, error, what, recorded);
    }
    engine->last = work->done;
    *out = work;
    return PALIMPSEST_CODE_OK;
}

/* Waits for an operation and its result. A failed one is kept, with its memory. */
static uint32_t end(Engine *engine, Work *work, uint32_t (*go_on)(void *context), void *context, PalimpsestError *error) {
    Wait wait = {work->what, now(), go_on, context};
    uint32_t code = reached(engine, work->done, &wait, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    if (work->bytes > 0) {
        CuResult result = cu.to_host(work->out, work->from, work->bytes, engine->copies);
        if (result == 0) {
            result = cu.event_record(work->back, engine->copies);
        }
        if (result != 0) {
            return cuda_failed(engine, error, work->what, result);
        }
        code = reached(engine, work->back, &wait, error);
        if (code != PALIMPSEST_CODE_OK) {
            return code;
        }
    }
    work->next = engine->idle;
    engine->idle = work;
    return PALIMPSEST_CODE_OK;
}

/* Makes the GPU's context the thread's for a call; the host's libraries may have set another. */
static bool enter(Engine *engine, PalimpsestError *error) {
    if (is_dead(engine, error)) {
        return false;
    }
    CuResult result = cu.push(engine->context);
    if (result != 0) {
        cuda_failed(engine, error, "choosing the GPU", result);
    }
    return result == 0;
}

static uint32_t leave(uint32_t code) {
    void *context;
    cu.pop(&context);
    return code;
}

/* NCCL's processes meet at an address that NCCL_COMM_ID tells, where rank 0 waits (ncclGetUniqueId and
   ncclCommInitRankConfig read it). torchrun's agent has the port that the run knows, so the next one is taken. */
static uint32_t meet(Engine *engine, const PalimpsestWorld *world, PalimpsestError *error) {
    char at[320], interface[128];
    if (world->address.len == 0) {
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "NCCL needs an address where the processes meet", NULL,
                               "set MASTER_ADDR and MASTER_PORT, or give --meet HOST:PORT");
    }
    bool is_ipv6 = memchr(world->address.ptr, ':', world->address.len) != NULL;
    int length = (int)(world->address.len < 256 ? world->address.len : 256);
    snprintf(at, sizeof at, "%s%.*s%s:%" PRIu32, is_ipv6 ? "[" : "", length, (const char *)world->address.ptr,
             is_ipv6 ? "]" : "", world->port + (world->served ? 1 : 0));
    setenv("NCCL_COMM_ID", at, 1);
    if (world->interface.len > 0) {
        /* = for the whole name, not what it starts with. */
        snprintf(interface, sizeof interface, "=%.*s", (int)(world->interface.len < 120 ? world->interface.len : 120),
                 (const char *)world->interface.ptr);
        setenv("NCCL_SOCKET_IFNAME", interface, 1);
    }
    NcclId id;
    NcclResult result = nccl.unique_id(&id);
    if (result == NCCL_SUCCESS) {
        NcclConfig config = {sizeof config, 0xcafebeef, 21400, 0};
        result = nccl.init(&engine->comm, engine->size, id, engine->rank, &config);
    }
    char what[400];
    snprintf(what, sizeof what, "the meeting at %s", at);
    bool is_told = result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS;
    uint32_t code = is_told ? taken_in(engine, what, error) : nccl_failed(engine, error, what, result);
    /* Another library's communicators would meet there too. */
    unsetenv("NCCL_COMM_ID");
    return code;
}

/* Aborts the communicator, from a thread, since it may block. */
static void *abort_comm(void *opaque) {
    Engine *engine = opaque;
    pthread_mutex_lock(&engine->lock);
    NcclComm comm = engine->comm;
    engine->comm = NULL;
    pthread_mutex_unlock(&engine->lock);
    if (comm && cu.push(engine->context) == 0) {
        nccl.abort(comm);
    }
    return NULL;
}

static void abort_engine(PalimpsestOpaque instance, PalimpsestStr words) {
    (void)words;
    Engine *engine = instance;
    atomic_store(&engine->dead, true);
    pthread_t thread;
    if (pthread_create(&thread, NULL, abort_comm, engine) == 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += ABORT_MS / 1000;
        if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
            pthread_detach(thread);
        }
    }
}

static uint32_t open_engine(PalimpsestOpaque *instance, const PalimpsestWorld *world, PalimpsestError *error) {
    if (!PALIMPSEST_HAS(world, PalimpsestWorld, device)) {
        return failed(error, "the host's world is too short", NULL);
    }
    if (world->device.kind != 1) {
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "NCCL sums on CUDA devices, and this rank trains on another", NULL,
                               "train on cuda, or sum on the host, by gloo or mpi");
    }
    int version;
    uint32_t code = open_nccl(&version, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    Engine *engine = calloc(1, sizeof *engine);
    if (!engine) {
        return failed(error, "out of memory", NULL);
    }
    engine->rank = (int)world->rank;
    engine->size = (int)world->size;
    engine->ordinal = (int)world->device.index;
    engine->limit_ms = world->limit_ms;
    pthread_mutex_init(&engine->lock, NULL);
    code = open_cuda(engine, error);
    if (code == PALIMPSEST_CODE_OK) {
        code = leave(meet(engine, world, error));
    }
    if (code != PALIMPSEST_CODE_OK) {
        if (engine->comm) {
            abort_engine(engine, (PalimpsestStr)PALIMPSEST_TEXT(""));
        }
        return code;
    }
    *instance = engine;
    return PALIMPSEST_CODE_OK;
}

static uint32_t start(PalimpsestOpaque instance, const PalimpsestTransfer *transfer, PalimpsestOpaque *out,
                      PalimpsestError *error) {
    Engine *engine = instance;
    if (!enter(engine, error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    if (!PALIMPSEST_HAS(transfer, PalimpsestTransfer, root) || transfer->op > PALIMPSEST_ALL_TO_ALL ||
        transfer->dtype > 1 || transfer->root >= (uint32_t)engine->size) {
        return leave(fail(engine, error, "an operation that this engine does not know", NULL));
    }
    if (transfer->op == PALIMPSEST_ALL_TO_ALL &&
        (transfer->count % (uint64_t)engine->size != 0 || (transfer->count > 0 && !transfer->to))) {
        return leave(fail(engine, error, "an exchange needs parts of one size, and room for as many", NULL));
    }
    Work *work = NULL;
    uint32_t code = begin(engine, transfer, transfer->dtype == 0 ? NCCL_FLOAT32 : NCCL_FLOAT64, &work, error);
    *out = work;
    return leave(code);
}

static uint32_t wait_for(PalimpsestOpaque instance, PalimpsestOpaque work, uint32_t (*go_on)(void *context), void *context,
                         PalimpsestError *error) {
    Engine *engine = instance;
    return enter(engine, error) ? leave(end(engine, work, go_on, context, error)) : PALIMPSEST_CODE_FAILURE;
}

/* An operation on `count` elements at `data`, waited for. */
static uint32_t at_once(Engine *engine, uint32_t op, int type, void *data, size_t count, const char *what,
                        PalimpsestError *error) {
    PalimpsestTransfer transfer = {PALIMPSEST_HEAD(PalimpsestTransfer), op, 0, data, NULL, count, 0};
    Work *work = NULL;
    uint32_t code = begin(engine, &transfer, type, &work, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    work->what = what;
    return end(engine, work, NULL, NULL, error);
}

static uint32_t barrier(PalimpsestOpaque instance, PalimpsestError *error) {
    Engine *engine = instance;
    if (!enter(engine, error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    float one = 1;
    return leave(at_once(engine, PALIMPSEST_ALL_REDUCE, NCCL_FLOAT32, &one, 1, "a barrier", error));
}

/* 64 bits of a key (FNV-1a), by which ranks that are not at the same place in the program notice. */
static uint64_t print_of(PalimpsestStr key) {
    uint64_t print = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++) {
        print = (print ^ key.ptr[i]) * 0x100000001b3u;
    }
    return print;
}

/* Rank 0's bytes; `what` is for messages. */
static uint32_t copy_from_first(Engine *engine, PalimpsestStr key, const uint8_t *value, size_t len, uint8_t *out,
                                size_t room, size_t *out_len, const char *what, PalimpsestError *error) {
    uint64_t head[2] = {len, print_of(key)};
    char message[320];
    uint32_t code = at_once(engine, PALIMPSEST_BROADCAST, NCCL_UINT8, head, sizeof head, what, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    if (head[1] != print_of(key)) {
        snprintf(message, sizeof message, "rank 0 is elsewhere in the program than this process, at %s", what);
        return fail(engine, error, message, "start every rank with the same program, recipe and data");
    }
    if (head[0] > room) {
        snprintf(message, sizeof message, "rank 0 shares %" PRIu64 " bytes, and there is room for %zu", head[0], room);
        return fail(engine, error, message, NULL);
    }
    *out_len = head[0];
    if (engine->rank == 0 && len > 0) {
        memmove(out, value, len);
    }
    return at_once(engine, PALIMPSEST_BROADCAST, NCCL_UINT8, out, head[0], what, error);
}

static uint32_t share(PalimpsestOpaque instance, PalimpsestStr key, const uint8_t *value, size_t len, uint8_t *out,
                      size_t room, size_t *out_len, PalimpsestError *error) {
    Engine *engine = instance;
    char what[128];
    snprintf(what, sizeof what, "the sharing of `%.*s`", (int)(key.len < 80 ? key.len : 80), (const char *)key.ptr);
    if (!enter(engine, error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    return leave(copy_from_first(engine, key, value, len, out, room, out_len, what, error));
}

static uint32_t fates(PalimpsestOpaque instance, uint64_t wait_ms, uint8_t *out, size_t room, size_t *out_len,
                      PalimpsestError *error) {
    (void)instance, (void)wait_ms, (void)out, (void)room, (void)out_len;
    return failed(error, "NCCL does not tell what became of the other processes", NULL);
}

/* The GPU's memory goes with the process. */
static void close_engine(PalimpsestOpaque instance) {
    Engine *engine = instance;
    PalimpsestError ignored = {PALIMPSEST_HEAD(PalimpsestError), 0, 0, 0, {0}, {0}, {0}};
    if (!enter(engine, &ignored)) {
        return;
    }
    NcclResult result = nccl.finalize(engine->comm);
    bool in_order = (result == NCCL_SUCCESS || result == NCCL_IN_PROGRESS) &&
                    taken_in(engine, "the end", &ignored) == PALIMPSEST_CODE_OK;
    if (in_order) {
        atomic_store(&engine->dead, true);
        nccl.destroy(engine->comm);
        leave(PALIMPSEST_CODE_OK);
        cu.release(engine->device);
    } else {
        leave(PALIMPSEST_CODE_OK);
        abort_engine(engine, (PalimpsestStr)PALIMPSEST_TEXT(""));
    }
}

static const PalimpsestCollectiveTable table = {
    PALIMPSEST_HEAD(PalimpsestCollectiveTable), about, open_engine, start, wait_for, barrier, share, abort_engine, fates,
    close_engine};

/* C functions don't unwind: 1. */
const PalimpsestEntry palimpsest_entry = {
    PALIMPSEST_HEAD(PalimpsestEntry), PALIMPSEST_MAJOR, PALIMPSEST_MINOR, PALIMPSEST_KIND_COLLECTIVE, 1,
    PALIMPSEST_TEXT("C " __VERSION__), &table};
