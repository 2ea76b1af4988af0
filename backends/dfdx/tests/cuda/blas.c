// cuBLAS without a GPU: checks the sizes that it is called with, as BLAS does, and computes nothing.
#include <stdio.h>

enum { OK = 0, INVALID_VALUE = 7 };

static int checked(int turn_a, int turn_b, int m, int n, int k, int lda, int ldb, int ldc, int batch) {
    int rows_a = turn_a ? k : m, rows_b = turn_b ? n : k;
    if (m > 0 && n > 0 && k > 0 && batch > 0 && lda >= rows_a && ldb >= rows_b && ldc >= m) return OK;
    fprintf(stderr, "mock cuBLAS: %dx%dx%d by leading dimensions %d %d %d\n", m, n, k, lda, ldb, ldc);
    return INVALID_VALUE;
}

int cublasCreate_v2(void **handle) { *handle = (void *)7; return OK; }
int cublasDestroy_v2(void *handle) { return OK; }
int cublasSetStream_v2(void *handle, void *stream) { return OK; }

#define PRODUCTS(T, one, batched)                                                                              \
    int one(void *h, int ta, int tb, int m, int n, int k, const T *alpha, const T *a, int lda, const T *b,       \
            int ldb, const T *beta, T *c, int ldc) {                                                            \
        return checked(ta, tb, m, n, k, lda, ldb, ldc, 1);                                                      \
    }                                                                                                           \
    int batched(void *h, int ta, int tb, int m, int n, int k, const T *alpha, const T *a, int lda, long long sa, \
                const T *b, int ldb, long long sb, const T *beta, T *c, int ldc, long long sc, int batch) {      \
        return checked(ta, tb, m, n, k, lda, ldb, ldc, batch);                                                  \
    }

PRODUCTS(float, cublasSgemm_v2, cublasSgemmStridedBatched)
PRODUCTS(double, cublasDgemm_v2, cublasDgemmStridedBatched)
