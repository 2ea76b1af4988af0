// A driver without a GPU: memory is the host's and copies are real, kernels are looked up and launched but
// not run. It ends the process where memory is used that was freed or is too small.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t Address;
enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, ROOM = 1 << 16 };

static struct { Address at; size_t bytes; } live[ROOM];
static int failing;

// Where an address lies among what is allocated, or -1.
static int find(Address at, size_t bytes) {
    for (int i = 0; i < ROOM; i++)
        if (live[i].at && at >= live[i].at && at + bytes <= live[i].at + live[i].bytes) return i;
    return -1;
}

static char *memory(Address at, size_t bytes) {
    if (!bytes || find(at, bytes) < 0) {
        fprintf(stderr, "mock driver: %zu bytes at %llx are not allocated\n", bytes, (unsigned long long)at);
        abort();
    }
    return (char *)at;
}

// NVIDIA's NVRTC asks for these where it finds a driver.
int cuGetExportTable(const void **table, const void *id) { *table = 0; return 999; }
int cuDriverGetVersion(int *version) { *version = 13000; return OK; }

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal ? 101 : OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 1; return OK; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)1; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxSetCurrent(void *context) { return OK; }
int cuCtxGetCurrent(void **context) { *context = (void *)1; return OK; }
int cuEventCreate(void **event, unsigned flags) { *event = (void *)2; return OK; }
int cuEventRecord(void *event, void *stream) { return OK; }
int cuEventDestroy_v2(void *event) { return OK; }
int cuStreamCreate(void **stream, unsigned flags) { *stream = (void *)3; return OK; }
int cuStreamDestroy_v2(void *stream) { return OK; }
int cuStreamSynchronize(void *stream) { return failing ? ILLEGAL_ADDRESS : OK; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return OK; }

int cuMemAllocAsync(Address *at, size_t bytes, void *stream) {
    if (!bytes) return INVALID_VALUE;
    if (failing) return ILLEGAL_ADDRESS;
    // A card of 64 MiB.
    if (bytes > 64u << 20) return OUT_OF_MEMORY;
    for (int i = 0; i < ROOM; i++) {
        if (!live[i].at) {
            // What is not written must not pass for a result.
            char *made = malloc(bytes);
            memset(made, 0xff, bytes);
            live[i].at = *at = (Address)made;
            live[i].bytes = bytes;
            return OK;
        }
    }
    return OUT_OF_MEMORY;
}
int cuMemAlloc_v2(Address *at, size_t bytes) { return cuMemAllocAsync(at, bytes, 0); }

int cuMemFreeAsync(Address at, void *stream) {
    int i = find(at, 1);
    if (i < 0 || live[i].at != at) {
        fprintf(stderr, "mock driver: %llx is freed but was not allocated\n", (unsigned long long)at);
        abort();
    }
    live[i].at = 0;
    free((void *)at);
    return failing ? ILLEGAL_ADDRESS : OK;
}
int cuMemFree_v2(Address at) { return cuMemFreeAsync(at, 0); }

int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, void *stream) {
    memcpy(memory(to, bytes), from, bytes);
    return OK;
}
int cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) { return cuMemcpyHtoDAsync_v2(to, from, bytes, 0); }
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, void *stream) {
    memcpy(to, memory(from, bytes), bytes);
    return OK;
}
int cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) { return cuMemcpyDtoHAsync_v2(to, from, bytes, 0); }
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void *stream) {
    memmove(memory(to, bytes), memory(from, bytes), bytes);
    return OK;
}
int cuMemcpyDtoD_v2(Address to, Address from, size_t bytes) { return cuMemcpyDtoDAsync_v2(to, from, bytes, 0); }
int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, void *stream) {
    memset(memory(to, bytes), value, bytes);
    return OK;
}
int cuMemsetD8_v2(Address to, unsigned char value, size_t bytes) { return cuMemsetD8Async(to, value, bytes, 0); }

// A module is its PTX; a function is there if the text has its entry.
int cuModuleLoadData(void **module, const void *image) { *module = strdup(image); return OK; }
int cuModuleUnload(void *module) { free(module); return OK; }
int cuModuleLoad(void **module, const char *path) { return 301; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
    char entry[300];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    if (!strstr(module, entry)) {
        fprintf(stderr, "mock driver: no kernel %s\n", name);
        return NOT_FOUND;
    }
    *function = (void *)4;
    return OK;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    // CUDA's own limits.
    int fits = gx && gy && gz && gx <= 0x7fffffff && gy <= 65535 && gz <= 65535 && bx && by && bz &&
               bx * by * bz <= 1024 && bz <= 64;
    if (!fits) fprintf(stderr, "mock driver: no launch of %u %u %u blocks of %u %u %u\n", gx, gy, gz, bx, by, bz);
    return failing ? ILLEGAL_ADDRESS : fits ? OK : INVALID_VALUE;
}

int cuGetErrorName(int error, const char **text) { *text = "MOCK"; return OK; }
int cuGetErrorString(int error, const char **text) { *text = "the mock driver's error"; return OK; }

// For the tests: from now on all fails, as after a kernel's illegal access.
void mock_fail(void) { failing = 1; }
