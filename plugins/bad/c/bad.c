/* A plug-in with one fault, which the compiler is told: -DBAD=FAULT. Without one it is a good plug-in, so that what
   the validator finds is the fault alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "palimpsest.h"
#include "palimpsest_philox.h"

/* Macros, as the preprocessor knows no enumerators. */
#define GOOD 0
#define NEWER_MAJOR 1       /* speaks ABI 2 */
#define SHORT_TABLE 2       /* a table that is shorter than ABI 1.0 has it */
#define NO_SUMMARY 3        /* an empty summary */
#define LONG_LOAD 4         /* works for two seconds when it is loaded */
#define READS_BEHIND 5      /* reads `scores` of a host that has none */
#define WANTS_ALL 6         /* refuses structs that are longer than its own */
#define BAD_LIMIT 7         /* fails at the largest value of its parameter */
#define BAD_ROLE 8          /* a role that nobody knows */
#define UNEQUAL 9           /* promises equal counts */
#define ODD_GRID 10         /* writes a square where the grid is none */
#define CLOCK 11            /* a plan that depends on the time */
#define COUNTER 12          /* a plan that depends on the calls before */
#define ONE_SEED 13         /* random, but the same in each step */
#define BATCH 14            /* an image's plan depends on its place in the batch */
#define BIASED 15           /* the first column is masked less often */
#define OFF_RATIO 16        /* masks half of what it is asked */
#define WRITES_BEHIND 17    /* one element behind `roles` */
#define WRITES_BEFORE 18    /* one element before `gain` */
#define NAN_NOISE 19        /* a noise level that is no number */
#define RACE 20             /* threads share a buffer */
#define LEAKS 21            /* a kilobyte each plan */
#define LEAKS_INSTANCES 22  /* ten kilobytes each strategy */
#define SLEEPS 23           /* for ever */
#define CRASHES 24          /* a null pointer */
#define ABORTS 25           /* abort() */
#define EATS 26             /* all memory there is */
#define STALE 27            /* a tensor of an earlier call */
#define SWALLOWS 28         /* goes on where an operation failed */
#define RANDOM_OPS 29       /* adds noise from its own generator */
#define INFINITE 30         /* divides by zero */
#define HUNG_SEED 31        /* an endless loop for one seed in thousands */
#define SHORT_ENTRY 32      /* an entry that is shorter than ABI 1.0 has it */

#define PID 33              /* a plan that depends on the process */
#define ADDRESS 34          /* a plan that depends on where the library lies */
#define VARIABLE 35         /* a plan that depends on a variable of the environment */
#define FOLDER 36           /* a plan that depends on the working folder */
#define DATE 37             /* a plan that depends on the day of UTC */
#define LOCAL_DATE 38       /* a plan that depends on the day of the time zone */
#define LOW_SEED 39         /* a seed of 32 bits */
#define HIGH_SEED 40        /* the other 32 bits of the seed */
#define IDLE 41             /* corrupts nothing */
#define PRINTS 42           /* prints to standard output */
#define PRINTS_LOADING 43   /* prints when it is loaded, without a line's end */
#define OFF_SHARE 44        /* masks half of what it is asked, by another name than `ratio` */

#ifndef BAD
#define BAD GOOD
#endif
/* What its parameter is called. */
#if BAD == OFF_SHARE
#define RATIO "mask_ratio"
#elif BAD == IDLE
#define RATIO "level"
#else
#define RATIO "ratio"
#endif
#define IS_OPS (BAD == STALE || BAD == SWALLOWS || BAD == RANDOM_OPS || BAD == INFINITE)

typedef struct {
    double ratio;
} Strategy;

static const PalimpsestParameter parameters[] = {
    {PALIMPSEST_HEAD(PalimpsestParameter), PALIMPSEST_TEXT(RATIO), PALIMPSEST_TEXT("Share of the tokens."),
     PALIMPSEST_PARAMETER_TYPE_REAL, 0, {0, 0.5, {NULL, 0}}, 0.0, 1.0, NULL, 0},
};

static const PalimpsestDescription description = {
    PALIMPSEST_HEAD(PalimpsestDescription), PALIMPSEST_TEXT("org.palimpsest.bad"), PALIMPSEST_TEXT("0.1.0"),
#if BAD == NO_SUMMARY
    PALIMPSEST_TEXT(""),
#else
    PALIMPSEST_TEXT("one fault, or none"),
#endif
    (BAD == HIGH_SEED ? 0 : PALIMPSEST_UNBIASED) | PALIMPSEST_EQUAL_COUNTS | (BAD == NAN_NOISE ? PALIMPSEST_INJECTS : 0) |
        (IS_OPS ? PALIMPSEST_OPS : 0),
    parameters, 1, sizeof(PalimpsestParameter)};

static uint64_t calls;

static void wait_for_ever(void) {
    for (;;) {
        sleep(1);
    }
}

#if BAD == LONG_LOAD
__attribute__((constructor)) static void work(void) { sleep(2); }
#endif

#if BAD == PRINTS_LOADING
__attribute__((constructor)) static void greet(void) { printf("loaded"); }
#endif

static uint32_t create(const PalimpsestArgument *arguments, size_t count, PalimpsestOpaque *instance,
                       PalimpsestError *error) {
    Strategy *strategy = calloc(1, BAD == LEAKS_INSTANCES ? 10240 : sizeof *strategy);
    for (size_t i = 0; i < count; i++) {
        if (arguments[i].name.len == strlen(RATIO) && memcmp(arguments[i].name.ptr, RATIO, strlen(RATIO)) == 0) {
            strategy->ratio = arguments[i].value.real;
        }
    }
    if (!(strategy->ratio >= 0.0 && strategy->ratio <= 1.0)) {
        free(strategy);
        return palimpsest_fail(error, PALIMPSEST_CODE_USER, "out of range", "ratio", "choose a value in 0..=1");
    }
    if (BAD == BAD_LIMIT && strategy->ratio == 1.0) {
        free(strategy);
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "no", NULL, NULL);
    }
    if (BAD == LEAKS_INSTANCES) {
        memset(strategy + 1, 1, 10240 - sizeof *strategy);
    }
    *instance = strategy;
    return PALIMPSEST_CODE_OK;
}

static void destroy(PalimpsestOpaque instance) {
    if (BAD != LEAKS_INSTANCES) {
        free(instance);
    }
}

static uint32_t plan(PalimpsestOpaque instance, const PalimpsestPlanRequest *request, PalimpsestPlan *out,
                     PalimpsestError *error) {
    const Strategy *strategy = instance;
    uint32_t tokens = request->tokens;
    double ratio = BAD == OFF_RATIO || BAD == OFF_SHARE ? strategy->ratio / 2 : strategy->ratio;
    uint32_t masked = (uint32_t)lround(ratio * tokens);
    uint64_t seed = request->seed, step = request->step;
    calls++;
    if (BAD == READS_BEHIND && *(const float *const volatile *)&request->scores) {
        seed++;
    }
    if (BAD == WANTS_ALL && request->head.size != sizeof *request) {
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "a struct of another size", NULL, NULL);
    }
    if (BAD == SLEEPS) {
        wait_for_ever();
    }
    if (BAD == HUNG_SEED && seed % 4099 == 17) {
        wait_for_ever();
    }
    if (BAD == CRASHES) {
        *(volatile int *)NULL = 1;
    }
    if (BAD == ABORTS) {
        abort();
    }
    if (BAD == EATS) {
        for (;;) {
            char *more = malloc(1 << 26);
            if (!more) {
                abort();
            }
            memset(more, 1, 1 << 26);
        }
    }
    if (BAD == LEAKS) {
        volatile char *lost = malloc(1024);
        lost[0] = 1;
    }
    if (BAD == CLOCK) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        seed ^= (uint64_t)now.tv_nsec;
    }
    if (BAD == COUNTER) {
        seed ^= calls;
    }
    if (BAD == ONE_SEED) {
        step = 0;
    }
    if (BAD == PID) {
        seed ^= (uint64_t)getpid();
    }
    if (BAD == ADDRESS) {
        seed ^= (uint64_t)(uintptr_t)&calls;
    }
    if (BAD == VARIABLE && getenv("BAD_SEED")) {
        seed ^= strtoull(getenv("BAD_SEED"), NULL, 10);
    }
    if (BAD == FOLDER) {
        char folder[4096];
        for (const char *c = getcwd(folder, sizeof folder); c && *c; c++) {
            seed = seed * 31 + (uint64_t)*c;
        }
    }
    if (BAD == DATE) {
        seed ^= (uint64_t)(time(NULL) / 86400);
    }
    if (BAD == LOCAL_DATE) {
        time_t now = time(NULL);
        struct tm day;
        seed ^= (uint64_t)localtime_r(&now, &day)->tm_yday;
    }
    if (BAD == LOW_SEED) {
        seed &= 0xffffffffu;
    }
    if (BAD == HIGH_SEED) {
        seed >>= 32;
    }
    if (BAD == PRINTS) {
        printf("planning %u images\n", request->batch);
    }
    if (BAD == IDLE) {
        return PALIMPSEST_CODE_OK;
    }
    for (uint32_t image = 0; image < request->batch; image++) {
        uint64_t sample = BAD == BATCH ? image : request->first_sample + image;
        PalimpsestPhilox random = palimpsest_philox(seed, PALIMPSEST_STREAM_MASK, step, sample);
        uint8_t *roles = out->roles + (size_t)image * tokens;
#if BAD == RACE
        static uint8_t shared[1 << 16];
        if (tokens <= sizeof shared) {
            roles = shared;
            memset(roles, 0, tokens);
        }
#endif
        uint32_t due = BAD == UNEQUAL && image % 2 == 1 && masked > 0 ? masked - 1 : masked;
        for (uint32_t token = 0; token < tokens; token++) {
            if (palimpsest_below(&random, tokens - token) < due) {
                roles[token] = PALIMPSEST_MASKED;
                due--;
            }
        }
        if (BAD == BIASED && request->geometry->grid_w > 1 && roles[0] == PALIMPSEST_MASKED) {
            /* One time in five the mask is moved off the first token. */
            for (uint32_t token = 1; token < tokens && palimpsest_below(&random, 5) == 0; token++) {
                if (roles[token] == PALIMPSEST_VISIBLE) {
                    roles[token] = PALIMPSEST_MASKED;
                    roles[0] = PALIMPSEST_VISIBLE;
                    break;
                }
            }
        }
#if BAD == RACE
        if (tokens <= sizeof shared) {
            memcpy(out->roles + (size_t)image * tokens, shared, tokens);
        }
#endif
    }
    if (BAD == BAD_ROLE) {
        out->roles[tokens - 1] = 7;
    }
    if (BAD == ODD_GRID && request->geometry->grid_w != request->geometry->grid_h) {
        out->roles[0] = 9;
    }
    if (BAD == WRITES_BEHIND) {
        out->roles[(size_t)request->batch * tokens] = PALIMPSEST_MASKED;
    }
    if (BAD == WRITES_BEFORE) {
        out->gain[-1] = 1.0f;
    }
    if (BAD == NAN_NOISE) {
        out->roles[0] = PALIMPSEST_NOISED;
        out->noise[0] = NAN;
    }
    return PALIMPSEST_CODE_OK;
}

#if IS_OPS
static uint32_t run(const PalimpsestOps *ops, uint32_t kind, const double *reals, size_t real_count,
                    const PalimpsestTensor *inputs, size_t count, PalimpsestTensor *result, PalimpsestError *error) {
    PalimpsestOpaque handles[2] = {NULL, NULL};
    size_t results = 0;
    for (size_t i = 0; i < count; i++) {
        handles[i] = inputs[i].handle;
    }
    PalimpsestOp op = {PALIMPSEST_HEAD(PalimpsestOp), kind, 1, NULL, 0, reals, real_count};
    return ops->execute(ops->context, &op, handles, count, result, &results, error);
}

static uint32_t apply(PalimpsestOpaque instance, const PalimpsestOps *ops, const PalimpsestApplication *what,
                      PalimpsestTensor *result, PalimpsestError *error) {
    static PalimpsestTensor kept;
    double factor = 0.9;
    (void)instance;
    if (BAD == RANDOM_OPS) {
        factor += 1e-3 * (double)(++calls);
    }
    if (BAD == INFINITE) {
        factor = 1.0 / 0.0;
    }
    PalimpsestTensor input = BAD == STALE && kept.handle ? kept : what->tokens;
    kept = what->tokens;
    uint32_t code = run(ops, PALIMPSEST_OP_MUL_SCALAR, &factor, 1, &input, 1, result, error);
    if (BAD == SWALLOWS && code != PALIMPSEST_CODE_OK) {
        *result = what->tokens;
        return PALIMPSEST_CODE_OK;
    }
    return code;
}
#else
#define apply NULL
#endif

static const PalimpsestCorruptionTable table = {
    {BAD == SHORT_TABLE ? 32 : sizeof(PalimpsestCorruptionTable), NULL},
    &description, create, destroy, NULL, plan, apply, NULL, NULL};

const PalimpsestEntry palimpsest_entry = {
    {BAD == SHORT_ENTRY ? 24 : sizeof(PalimpsestEntry), NULL}, BAD == NEWER_MAJOR ? PALIMPSEST_MAJOR + 1 : PALIMPSEST_MAJOR, PALIMPSEST_MINOR,
    PALIMPSEST_KIND_CORRUPTION, 1, PALIMPSEST_TEXT("C " __VERSION__), &table};
