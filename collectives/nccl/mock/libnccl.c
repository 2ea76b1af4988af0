// NCCL without a GPU, for processes of one machine: every rank writes its elements where all can read them, and takes what it
// needs from the others'. Nothing blocks: what a call starts goes on when the stream is asked about. It finds the mock of
// CUDA's driver as libcuda.so.1.
//
//     cc -O2 -fPIC -shared -o libnccl.so.2 libnccl.c
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { RANKS = 8, ROOM = 64 << 20, GROUP = 2 * RANKS };
typedef struct { char internal[128]; } Id;
typedef struct { size_t size; unsigned magic, version; int blocking; } Config;

// What the processes share.
typedef struct {
    atomic_int here, left, lost;
    // How often each rank has written and has read.
    atomic_long written[RANKS], read[RANKS];
    char data[RANKS][ROOM];
} Shared;

typedef struct {
    Shared *shared;
    int rank, size;
    char path[128];
    // Calls that are not taken in at once, as when connections are made.
    int slow;
} Comm;

typedef struct {
    Comm *comm;
    enum { SUM, COPY, EXCHANGE } kind;
    int type, root;
    size_t count;
    void *from[RANKS], *to[RANKS];
    long number;
    int wrote;
} Call;

static void (*enqueue)(void *stream, int (*step)(void *what), void *what);
static void *(*memory)(const void *at, size_t bytes);
static int (*entered)(void);
static __thread int in_group;
static __thread Call *group;
static __thread void *group_stream;

static size_t width(int type) { return type == 1 ? 1 : type == 7 ? 4 : 8; }

int ncclGetVersion(int *version) { *version = 22809; return SUCCESS; }
const char *ncclGetErrorString(int result) { return result == REMOTE_ERROR ? "remote process exited" : "the mock's error"; }
const char *ncclGetLastError(void *comm) { (void)comm; return "line 1\nline 2"; }

int ncclGetUniqueId(Id *id) {
    const char *at = getenv("NCCL_COMM_ID");
    memset(id, 0, sizeof *id);
    if (!at) return INVALID_USAGE;
    snprintf(id->internal, sizeof id->internal, "%s", at);
    return SUCCESS;
}

int ncclCommInitRankConfig(void **out, int size, Id id, int rank, Config *config) {
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW);
    if (!cuda) return SYSTEM_ERROR;
    *(void **)&enqueue = dlsym(cuda, "mock_enqueue");
    *(void **)&memory = dlsym(cuda, "mock_memory");
    *(void **)&entered = dlsym(cuda, "mock_entered");
    if (config->magic != 0xcafebeef || config->size != sizeof *config || size > RANKS || !entered()) return INVALID_ARGUMENT;
    // As in the real one, rank 0 listens where NCCL_COMM_ID says.
    if (!getenv("NCCL_COMM_ID")) return INVALID_USAGE;
    Comm *comm = calloc(1, sizeof *comm);
    comm->rank = rank;
    comm->size = size;
    snprintf(comm->path, sizeof comm->path, "/dev/shm/mock-nccl-%.80s", strrchr(id.internal, ':') + 1);
    int file = open(comm->path, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return SYSTEM_ERROR;
    comm->shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    comm->shared->here++;
    *out = comm;
    return config->blocking == 0 ? IN_PROGRESS : INVALID_USAGE;
}

int ncclCommGetAsyncError(void *opaque, int *state) {
    Comm *comm = opaque;
    if (comm->shared->lost) *state = REMOTE_ERROR;
    else if (comm->shared->here < comm->size) *state = IN_PROGRESS;
    else *state = comm->slow > 0 ? comm->slow--, IN_PROGRESS : SUCCESS;
    return SUCCESS;
}

static void add(void *to, const void *from, size_t count, int type) {
    for (size_t i = 0; i < count; i++) {
        if (type == 7) ((float *)to)[i] += ((const float *)from)[i];
        else ((double *)to)[i] += ((const double *)from)[i];
    }
}

// Writes once all have read what was before, and reads once all have written.
static int step(void *opaque) {
    Call *call = opaque;
    Comm *comm = call->comm;
    Shared *shared = comm->shared;
    size_t bytes = call->count * width(call->type);
    if (!call->wrote) {
        for (int k = 0; k < comm->size; k++)
            if (shared->read[k] < call->number) return 0;
        for (int k = 0; k < (call->kind == EXCHANGE ? comm->size : 1); k++)
            memcpy(shared->data[comm->rank] + k * bytes, memory(call->from[k], bytes), bytes);
        shared->written[comm->rank] = call->number + 1;
        call->wrote = 1;
    }
    for (int k = 0; k < comm->size; k++)
        if (shared->written[k] <= call->number) return 0;
    if (call->kind == SUM) {
        memcpy(memory(call->to[0], bytes), shared->data[0], bytes);
        for (int k = 1; k < comm->size; k++) add(call->to[0], shared->data[k], call->count, call->type);
    } else if (call->kind == COPY) {
        memcpy(memory(call->to[0], bytes), shared->data[call->root], bytes);
    } else {
        for (int k = 0; k < comm->size; k++)
            memcpy(memory(call->to[k], bytes), shared->data[k] + comm->rank * bytes, bytes);
    }
    shared->read[comm->rank] = call->number + 1;
    free(call);
    return 1;
}

static long calls;
static int begin(Call *call, void *stream) {
    if (call->count * width(call->type) * (call->kind == EXCHANGE ? call->comm->size : 1) > ROOM || !entered()) return INVALID_USAGE;
    call->number = calls++;
    call->comm->slow = call->number == 0 ? 3 : 0;
    enqueue(stream, step, call);
    return call->comm->slow ? IN_PROGRESS : SUCCESS;
}

static int one(int kind, const void *from, void *to, size_t count, int type, int root, void *comm, void *stream) {
    Call *call = calloc(1, sizeof *call);
    *call = (Call){.comm = comm, .kind = kind, .type = type, .root = root, .count = count};
    call->from[0] = (void *)from;
    call->to[0] = to;
    return begin(call, stream);
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int op, void *comm, void *stream) {
    return op != 0 || type < 7 ? INVALID_ARGUMENT : one(SUM, from, to, count, type, 0, comm, stream);
}
int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, void *comm, void *stream) {
    return one(COPY, from, to, count, type, root, comm, stream);
}

int ncclGroupStart(void) { in_group = 1; return SUCCESS; }
static Call *grouped(size_t count, int type, void *comm, void *stream) {
    if (!group) group = calloc(1, sizeof *group);
    group->comm = comm;
    group->kind = EXCHANGE;
    group->type = type;
    group->count = count;
    group_stream = stream;
    return group;
}
int ncclSend(const void *from, size_t count, int type, int peer, void *comm, void *stream) {
    if (!in_group) return INVALID_USAGE;
    grouped(count, type, comm, stream)->from[peer] = (void *)from;
    return SUCCESS;
}
int ncclRecv(void *to, size_t count, int type, int peer, void *comm, void *stream) {
    if (!in_group) return INVALID_USAGE;
    grouped(count, type, comm, stream)->to[peer] = to;
    return SUCCESS;
}
int ncclGroupEnd(void) {
    Call *call = group;
    in_group = 0;
    group = NULL;
    return call ? begin(call, group_stream) : SUCCESS;
}

int ncclCommFinalize(void *comm) { (void)comm; return IN_PROGRESS; }
int ncclCommDestroy(void *opaque) {
    Comm *comm = opaque;
    if (++comm->shared->left == comm->size) unlink(comm->path);
    return SUCCESS;
}
int ncclCommAbort(void *opaque) {
    Comm *comm = opaque;
    comm->shared->lost = 1;
    unlink(comm->path);
    return SUCCESS;
}
