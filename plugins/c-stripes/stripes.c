/* Diagonal stripes of masked patches with a random phase for each image; stripes of width 1 with a gap of 1 are a
   checkerboard. A regular mask after the grid-wise sampling of He et al., "Masked autoencoders are scalable vision
   learners" (CVPR 2022, section 4.1), where one of every four patches is kept in a fixed pattern: an easy task, as a
   masked patch always has visible ones at its side. Here the phase is random, so that every position is masked as often.

   A plug-in in plain C: `make`, and name it in a recipe with kind = "stripes". */
#include <stdlib.h>

#include "palimpsest.h"
#include "palimpsest_philox.h"

typedef struct {
    uint32_t width, gap;
} Stripes;

static const PalimpsestParameter parameters[] = {
    {PALIMPSEST_HEAD(PalimpsestParameter), PALIMPSEST_TEXT("width"), PALIMPSEST_TEXT("Width of a stripe in patches."),
     PALIMPSEST_PARAMETER_TYPE_INTEGER, 0, {1, 0, {NULL, 0}}, 1, 1024, NULL, 0},
    {PALIMPSEST_HEAD(PalimpsestParameter), PALIMPSEST_TEXT("gap"), PALIMPSEST_TEXT("Visible patches between two stripes."),
     PALIMPSEST_PARAMETER_TYPE_INTEGER, 0, {1, 0, {NULL, 0}}, 1, 1024, NULL, 0},
};

static const PalimpsestDescription description = {
    PALIMPSEST_HEAD(PalimpsestDescription), PALIMPSEST_TEXT("org.palimpsest.stripes"), PALIMPSEST_TEXT("0.1.0"),
    PALIMPSEST_TEXT("diagonal stripes with a random phase"), PALIMPSEST_UNBIASED,
    parameters, 2, sizeof(PalimpsestParameter)};

static uint32_t create(const PalimpsestArgument *arguments, size_t count, PalimpsestOpaque *instance,
                       PalimpsestError *error) {
    uint32_t values[2] = {1, 1};
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 2; k++) {
            PalimpsestStr name = parameters[k].name;
            int64_t value = arguments[i].value.integer;
            if (arguments[i].name.len != name.len || memcmp(arguments[i].name.ptr, name.ptr, name.len) != 0) {
                continue;
            }
            if (value < 1 || value > 1024) {
                return palimpsest_fail(error, PALIMPSEST_CODE_USER, "out of range", (const char *)name.ptr,
                                       "choose 1 to 1024");
            }
            values[k] = (uint32_t)value;
        }
    }
    Stripes *stripes = malloc(sizeof *stripes);
    if (!stripes) {
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "out of memory", NULL, NULL);
    }
    *stripes = (Stripes){values[0], values[1]};
    *instance = stripes;
    return PALIMPSEST_CODE_OK;
}

static void destroy(PalimpsestOpaque instance) { free(instance); }

static uint32_t plan(PalimpsestOpaque instance, const PalimpsestPlanRequest *request, PalimpsestPlan *out,
                     PalimpsestError *error) {
    const Stripes *stripes = instance;
    if (!PALIMPSEST_HAS(request, PalimpsestPlanRequest, progress) || !PALIMPSEST_HAS(out, PalimpsestPlan, flags)) {
        return palimpsest_fail(error, PALIMPSEST_CODE_FAILURE, "the host's structs are too short", NULL, NULL);
    }
    uint32_t columns = request->geometry->grid_w, period = stripes->width + stripes->gap;
    for (uint32_t image = 0; image < request->batch; image++) {
        PalimpsestPhilox random =
            palimpsest_philox(request->seed, PALIMPSEST_STREAM_MASK, request->step, request->first_sample + image);
        uint32_t phase = palimpsest_below(&random, period);
        for (uint32_t token = 0; token < request->tokens; token++) {
            if ((token / columns + token % columns + phase) % period < stripes->width) {
                out->roles[(size_t)image * request->tokens + token] = PALIMPSEST_MASKED;
            }
        }
    }
    return PALIMPSEST_CODE_OK;
}

static const PalimpsestCorruptionTable table = {
    PALIMPSEST_HEAD(PalimpsestCorruptionTable), &description, create, destroy, NULL, plan, NULL, NULL, NULL};

/* C functions don't unwind: 1. */
const PalimpsestEntry palimpsest_entry = {
    PALIMPSEST_HEAD(PalimpsestEntry), PALIMPSEST_MAJOR, PALIMPSEST_MINOR, PALIMPSEST_KIND_CORRUPTION, 1,
    PALIMPSEST_TEXT("C " __VERSION__), &table};
