/* Several processes over any MPI (Open MPI, MPICH and those made from it), on host memory.

   MPIs share no binary interface (before MPI 5, of 2025), so this is compiled where it runs, with the compiler of the MPI whose
   mpirun or srun starts the processes:

       mpicc -O2 -fPIC -shared -I plugins/include -o libcollective_mpi.so mpi.c

   MPI waits without end, in a loop that keeps a core busy. Here every operation is one that MPI carries on with while it is
   asked about it, so that a wait has a limit, can be broken off, and sleeps while nothing comes.

   How a run ends where a process is lost: MPI has no place for last words and closes no connection. Who fails marks its
   engine dead, never enters MPI again, and may still write a checkpoint before it leaves without MPI_Finalize. What the
   others meet is up to whoever started them (two processes on one machine, one of them killed):
   - mpirun of Open MPI 4.1 sends SIGTERM after 1.0 s, which ends their waits by way of `go_on`, and SIGKILL a second later;
   - mpirun of Open MPI 5.0 sends SIGTERM after 0.26 s and SIGKILL after 0.5 s;
   - mpiexec of MPICH sends SIGKILL at once, whereupon no checkpoint can be written; with -disable-auto-cleanup it sends
     SIGUSR1, and they wait for the limit;
   - `mpirun --enable-recovery` sends nothing: they wait for the limit. Open MPI 4.1 then exits with 0, whatever they say. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "palimpsest.h"

#if MPI_VERSION < 3
#error "MPI 3 (2012) or newer is needed, for its non-blocking sums"
#endif

/* MPI counts in int: longer transfers go in pieces of so many elements. */
#ifndef PIECE
#define PIECE ((uint64_t)1 << 30)
#endif

enum { MILLISECOND = 1000000 };
/* A question to MPI that took as long as this moved something. */
enum { WORKED = 1000 };
/* After so long without anything moved, sleep; first the shortest time that Linux knows, then up to the longest. */
enum { PATIENCE = 2 * MILLISECOND, SHORTEST = 50000, LONGEST = 500000 };

/* The life of MPI in this process: it starts once and ends once. */
enum { UNUSED, MEETING, MET, REFUSED, ENDED };

static struct {
    /* One of the above. */
    atomic_int stage;
    /* No call enters MPI any more. */
    atomic_bool dead;
    /* That the last process may end MPI. */
    sem_t ending;
    MPI_Comm ranks;
    int rank, size;
    uint64_t limit_ms;
    /* Where it is refused. */
    char why[768];
} engine;

/* An operation under way. */
typedef struct {
    const char *what;
    size_t count;
    MPI_Request requests[];
} Work;

/* Nanoseconds of a clock that only goes forward. */
static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 * MILLISECOND + (uint64_t)time.tv_nsec;
}

static void sleep_for(uint64_t nanoseconds) {
    struct timespec time = {(time_t)(nanoseconds / (1000 * MILLISECOND)), (long)(nanoseconds % (1000 * MILLISECOND))};
    nanosleep(&time, NULL);
}

/* The name and version of this MPI, without the details that follow: "Open MPI v4.1.4", "MPICH 4.0.2". */
static const char *library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING + 1];
    char full[MPI_MAX_LIBRARY_VERSION_STRING + 1] = "";
    int length = 0;
    MPI_Get_library_version(full, &length);
    full[strcspn(full, ",\n")] = 0;
    char shorter[sizeof full] = "", *rest = NULL;
    size_t used = 0;
    for (char *word = strtok_r(full, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (strcmp(word, "Version:") != 0) {
            used += (size_t)snprintf(shorter + used, sizeof shorter - used, "%s%s", used ? " " : "", word);
        }
    }
    memcpy(text, shorter, sizeof text);
    return text;
}

/* Fails for good: nothing enters MPI after this. */
static uint32_t fail(PalimpsestError *error, const char *message, const char *mend) {
    atomic_store(&engine.dead, true);
    return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, message, NULL, mend);
}

/* What MPI says about a call that failed. */
static uint32_t mpi_failed(PalimpsestError *error, const char *what, int code) {
    char text[MPI_MAX_ERROR_STRING + 1] = "no reason given", message[MPI_MAX_ERROR_STRING + 64];
    int length = 0;
    MPI_Error_string(code, text, &length);
    text[strcspn(text, "\n")] = 0;
    snprintf(message, sizeof message, "%s failed in %s: %s", what, library(), text);
    return fail(error, message, NULL);
}

static uint32_t late(PalimpsestError *error, const char *what) {
    char message[160];
    snprintf(message, sizeof message, "another process did not come to %s within %g s", what,
             (double)engine.limit_ms * 1e-3);
    return fail(error, message, "one that ended or hangs says why in its own last line");
}

static bool is_dead(PalimpsestError *error) {
    if (!atomic_load(&engine.dead)) {
        return false;
    }
    fail(error, "the processes' connection was given up after a failure", NULL);
    return true;
}

/* Waits for requests. Those of a failure stay MPI's, with their memory. */
static uint32_t complete(MPI_Request *requests, size_t count, const char *what, uint32_t (*go_on)(void *context),
                         void *context, PalimpsestError *error) {
    uint64_t start = now(), moved = start, pause = SHORTEST;
    size_t done = 0;
    for (;;) {
        if (is_dead(error)) {
            return PALIMPSEST_CODE_FAILURE;
        }
        uint64_t before = now();
        int is_done = 1;
        while (done < count && is_done) {
            int code = MPI_Test(&requests[done], &is_done, MPI_STATUS_IGNORE);
            if (code != MPI_SUCCESS) {
                return mpi_failed(error, what, code);
            }
            done += is_done ? 1 : 0;
        }
        if (done == count) {
            return PALIMPSEST_CODE_OK;
        }
        uint64_t after = now();
        if (after - start > engine.limit_ms * MILLISECOND) {
            return late(error, what);
        }
        if (go_on && !go_on(context)) {
            return fail(error, "this process was asked to stop while it waited for another", NULL);
        }
        if (after - before > WORKED) {
            moved = after;
            pause = SHORTEST;
        }
        /* A rank that waits must not take the core from the one that it waits for. */
        if (after - moved < PATIENCE) {
            sched_yield();
        } else {
            sleep_for(pause);
            pause = pause * 2 < LONGEST ? pause * 2 : LONGEST;
        }
    }
}

static uint32_t about(PalimpsestInfo *info, PalimpsestError *error) {
    (void)error;
    const char *version = library();
    info->name = (PalimpsestStr)PALIMPSEST_TEXT("mpi");
    info->version = (PalimpsestStr){(const uint8_t *)version, strlen(version)};
    info->description = (PalimpsestStr)PALIMPSEST_TEXT("any MPI, compiled with its mpicc; sums on the host");
    return PALIMPSEST_CODE_OK;
}

/* Starts MPI, and ends it when it is told to: MPI wants both from one thread, and either may block for good. */
static void *life_of_mpi(void *world) {
    uint32_t rank = ((uint32_t *)world)[0], size = ((uint32_t *)world)[1];
    free(world);
    int provided = MPI_THREAD_SINGLE;
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (code == MPI_SUCCESS) {
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
        MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
        MPI_Comm_rank(MPI_COMM_WORLD, &engine.rank);
        MPI_Comm_size(MPI_COMM_WORLD, &engine.size);
        if (engine.rank != (int)rank || engine.size != (int)size) {
            snprintf(engine.why, sizeof engine.why,
                     "%s counts %d process%s and this is number %d, but the launcher said number %u of %u", library(),
                     engine.size, engine.size == 1 ? "" : "es", engine.rank, rank, size);
        } else if (provided < MPI_THREAD_SERIALIZED) {
            snprintf(engine.why, sizeof engine.why, "%s lets only one thread call it", library());
        } else {
            code = MPI_Comm_dup(MPI_COMM_WORLD, &engine.ranks);
        }
    }
    if (code != MPI_SUCCESS) {
        char text[MPI_MAX_ERROR_STRING + 1] = "no reason given";
        int length = 0;
        MPI_Error_string(code, text, &length);
        text[strcspn(text, "\n")] = 0;
        snprintf(engine.why, sizeof engine.why, "%s did not start: %.500s", library(), text);
    }
    int expected = MEETING;
    atomic_compare_exchange_strong(&engine.stage, &expected, engine.why[0] ? REFUSED : MET);
    while (sem_wait(&engine.ending) != 0) {
    }
    MPI_Finalize();
    atomic_store(&engine.stage, ENDED);
    return NULL;
}

/* Signals that mean something to the host; MPIs take some of them for themselves. */
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static uint32_t open_engine(PalimpsestOpaque *instance, const PalimpsestWorld *world, PalimpsestError *error) {
    if (!PALIMPSEST_HAS(world, PalimpsestWorld, limit_ms)) {
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "the host's world is too short", NULL, NULL);
    }
    int unused = UNUSED;
    if (!atomic_compare_exchange_strong(&engine.stage, &unused, MEETING)) {
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "MPI starts only once in a process", NULL, NULL);
    }
    engine.limit_ms = world->limit_ms;
    uint32_t *expected = malloc(2 * sizeof *expected);
    pthread_t thread;
    if (!expected || sem_init(&engine.ending, 0, 0) != 0) {
        return fail(error, "out of memory", NULL);
    }
    expected[0] = world->rank;
    expected[1] = world->size;
    struct sigaction of_host[SIGNALS];
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &of_host[i]);
    }
    if (pthread_create(&thread, NULL, life_of_mpi, expected) != 0) {
        return fail(error, "no thread could be made for MPI", NULL);
    }
    pthread_detach(thread);
    uint64_t start = now();
    bool in_time = true;
    while (atomic_load(&engine.stage) == MEETING && in_time) {
        sleep_for(MILLISECOND);
        in_time = now() - start <= engine.limit_ms * MILLISECOND;
    }
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], &of_host[i], NULL);
    }
    if (atomic_load(&engine.stage) == MEETING) {
        return late(error, "the meeting");
    }
    if (atomic_load(&engine.stage) == REFUSED) {
        atomic_store(&engine.dead, true);
        char mend[320];
        snprintf(mend, sizeof mend, "start all of them with the mpirun, or the srun --mpi, that belongs to %s", library());
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, engine.why, NULL, mend);
    }
    *instance = &engine;
    return PALIMPSEST_CODE_OK;
}

/* Starts one piece of an operation: `count` elements from `at` on, of each part in an exchange. */
static int start_piece(const PalimpsestTransfer *transfer, uint64_t at, int count, MPI_Request *request) {
    MPI_Datatype type = transfer->dtype == 0 ? MPI_FLOAT : MPI_DOUBLE;
    uint64_t width = transfer->dtype == 0 ? sizeof(float) : sizeof(double);
    uint8_t *data = transfer->data + at * width;
    if (transfer->op == PALIMPSEST_ALL_REDUCE) {
        return MPI_Iallreduce(MPI_IN_PLACE, data, count, type, MPI_SUM, engine.ranks, request);
    }
    if (transfer->op == PALIMPSEST_BROADCAST) {
        return MPI_Ibcast(data, count, type, (int)transfer->root, engine.ranks, request);
    }
    uint64_t part = transfer->count / (uint64_t)engine.size;
    if ((uint64_t)count == part) {
        return MPI_Ialltoall(data, count, type, transfer->to, count, type, engine.ranks, request);
    }
    /* A piece of each part: an element of a type that is as long as a part. */
    MPI_Datatype piece, strided = MPI_DATATYPE_NULL;
    int code = MPI_Type_contiguous(count, type, &piece);
    if (code == MPI_SUCCESS) {
        code = MPI_Type_create_resized(piece, 0, (MPI_Aint)(part * width), &strided);
        MPI_Type_free(&piece);
    }
    if (code == MPI_SUCCESS) {
        code = MPI_Type_commit(&strided);
    }
    if (code == MPI_SUCCESS) {
        code = MPI_Ialltoall(data, 1, strided, transfer->to + at * width, 1, strided, engine.ranks, request);
    }
    if (strided != MPI_DATATYPE_NULL) {
        /* MPI keeps it until the operation is over. */
        MPI_Type_free(&strided);
    }
    return code;
}

static uint32_t start(PalimpsestOpaque instance, const PalimpsestTransfer *transfer, PalimpsestOpaque *out,
                      PalimpsestError *error) {
    (void)instance;
    static const char *const names[] = {"a sum", "a broadcast", "an exchange"};
    if (is_dead(error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    if (!PALIMPSEST_HAS(transfer, PalimpsestTransfer, root) || transfer->op > PALIMPSEST_ALL_TO_ALL ||
        transfer->dtype > 1 || transfer->root >= (uint32_t)engine.size) {
        return fail(error, "an operation that this engine does not know", NULL);
    }
    uint64_t length = transfer->count;
    if (transfer->op == PALIMPSEST_ALL_TO_ALL) {
        if (length % (uint64_t)engine.size != 0 || (length > 0 && !transfer->to)) {
            return fail(error, "an exchange needs parts of one size, and room for as many", NULL);
        }
        length /= (uint64_t)engine.size;
    }
    size_t pieces = (size_t)(length / PIECE + (length % PIECE ? 1 : 0));
    Work *work = malloc(sizeof *work + pieces * sizeof work->requests[0]);
    if (!work) {
        return fail(error, "out of memory", NULL);
    }
    *work = (Work){names[transfer->op], pieces};
    for (size_t i = 0; i < pieces; i++) {
        uint64_t at = i * PIECE, left = length - at;
        int code = start_piece(transfer, at, (int)(left < PIECE ? left : PIECE), &work->requests[i]);
        if (code != MPI_SUCCESS) {
            /* The pieces before it are under way and keep their requests. */
            return mpi_failed(error, work->what, code);
        }
    }
    *out = work;
    return PALIMPSEST_CODE_OK;
}

static uint32_t wait_for(PalimpsestOpaque instance, PalimpsestOpaque opaque, uint32_t (*go_on)(void *context),
                         void *context, PalimpsestError *error) {
    (void)instance;
    Work *work = opaque;
    uint32_t code = complete(work->requests, work->count, work->what, go_on, context, error);
    if (code == PALIMPSEST_CODE_OK) {
        free(work);
    }
    return code;
}

static uint32_t barrier(PalimpsestOpaque instance, PalimpsestError *error) {
    (void)instance;
    if (is_dead(error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    MPI_Request request;
    int code = MPI_Ibarrier(engine.ranks, &request);
    if (code != MPI_SUCCESS) {
        return mpi_failed(error, "a barrier", code);
    }
    return complete(&request, 1, "a barrier", NULL, NULL, error);
}

/* Copies rank 0's bytes at `data` to all. `data` is MPI's after a failure. */
static uint32_t copy_from_first(void *data, size_t bytes, const char *what, PalimpsestError *error) {
    MPI_Request request;
    int code = MPI_Ibcast(data, (int)bytes, MPI_BYTE, 0, engine.ranks, &request);
    if (code != MPI_SUCCESS) {
        return mpi_failed(error, what, code);
    }
    return complete(&request, 1, what, NULL, NULL, error);
}

/* 64 bits of a key (FNV-1a), by which ranks that are not at the same place in the program notice. */
static uint64_t print_of(PalimpsestStr key) {
    uint64_t print = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++) {
        print = (print ^ key.ptr[i]) * 0x100000001b3u;
    }
    return print;
}

static uint32_t share(PalimpsestOpaque instance, PalimpsestStr key, const uint8_t *value, size_t len, uint8_t *out,
                      size_t room, size_t *out_len, PalimpsestError *error) {
    (void)instance;
    char what[128], message[256];
    snprintf(what, sizeof what, "the sharing of `%.*s`", (int)(key.len < 80 ? key.len : 80), (const char *)key.ptr);
    if (is_dead(error)) {
        return PALIMPSEST_CODE_FAILURE;
    }
    uint64_t *head = malloc(2 * sizeof *head);
    if (!head) {
        return fail(error, "out of memory", NULL);
    }
    head[0] = len;
    head[1] = print_of(key);
    uint32_t code = copy_from_first(head, 2 * sizeof *head, what, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    uint64_t bytes = head[0], print = head[1];
    free(head);
    if (print != print_of(key)) {
        snprintf(message, sizeof message, "rank 0 is elsewhere in the program than this process, at %s", what);
        return fail(error, message, "start every rank with the same program, recipe and data");
    }
    if (bytes > room || bytes > INT32_MAX) {
        snprintf(message, sizeof message, "rank 0 shares %" PRIu64 " bytes, and there is room for %zu", bytes, room);
        return fail(error, message, NULL);
    }
    uint8_t *all = malloc(bytes > 0 ? bytes : 1);
    if (!all) {
        return fail(error, "out of memory", NULL);
    }
    if (engine.rank == 0 && bytes > 0) {
        memcpy(all, value, bytes);
    }
    code = copy_from_first(all, bytes, what, error);
    if (code != PALIMPSEST_CODE_OK) {
        return code;
    }
    if (bytes > 0) {
        memcpy(out, all, bytes);
    }
    free(all);
    *out_len = bytes;
    return PALIMPSEST_CODE_OK;
}

/* Not MPI_Abort: it would end this process before it has written its checkpoint. */
static void abort_engine(PalimpsestOpaque instance, PalimpsestStr words) {
    (void)instance, (void)words;
    atomic_store(&engine.dead, true);
}

static uint32_t fates(PalimpsestOpaque instance, uint64_t wait_ms, uint8_t *out, size_t room, size_t *out_len,
                      PalimpsestError *error) {
    (void)instance, (void)wait_ms, (void)out, (void)room, (void)out_len;
    return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "MPI does not tell what became of the other processes", NULL,
                           NULL);
}

/* MPI_Finalize waits for all ranks, so it has the limit too. */
static void close_engine(PalimpsestOpaque instance) {
    (void)instance;
    if (atomic_exchange(&engine.dead, true)) {
        return;
    }
    sem_post(&engine.ending);
    uint64_t start = now();
    while (atomic_load(&engine.stage) != ENDED && now() - start <= engine.limit_ms * MILLISECOND) {
        sleep_for(MILLISECOND);
    }
}

static const PalimpsestCollectiveTable table = {
    PALIMPSEST_HEAD(PalimpsestCollectiveTable), about, open_engine, start, wait_for, barrier, share, abort_engine, fates,
    close_engine};

/* C functions don't unwind: 1. */
const PalimpsestEntry palimpsest_entry = {
    PALIMPSEST_HEAD(PalimpsestEntry), PALIMPSEST_MAJOR, PALIMPSEST_MINOR, PALIMPSEST_KIND_COLLECTIVE, 1,
    PALIMPSEST_TEXT("C " __VERSION__), &table};
