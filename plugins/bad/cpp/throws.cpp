// A plug-in in C++ that lets an exception out of the function that the compiler is told: -DTHROWS=FUNCTION.
#include <stdexcept>

#include "palimpsest.h"

#define IN_CREATE 1
#define IN_PLAN 2
#define IN_LOADING 3

namespace {

void fall(int place) {
    if (place == THROWS) {
        throw std::runtime_error("out of cheese");
    }
}

#if THROWS == IN_LOADING
const int loaded = [] { fall(IN_LOADING); return 0; }();
#endif

const PalimpsestDescription description = {
    PALIMPSEST_HEAD(PalimpsestDescription),
    PALIMPSEST_TEXT("org.palimpsest.bad-throws"),
    PALIMPSEST_TEXT("0.1.0"),
    PALIMPSEST_TEXT("throws on purpose"),
    0,
    nullptr,
    0,
    sizeof(PalimpsestParameter)};

int strategy;

uint32_t create(const PalimpsestArgument *, size_t, PalimpsestOpaque *instance, PalimpsestError *) {
    fall(IN_CREATE);
    *instance = &strategy;
    return PALIMPSEST_CODE_OK;
}

void destroy(PalimpsestOpaque) {}

uint32_t plan(PalimpsestOpaque, const PalimpsestPlanRequest *request, PalimpsestPlan *out, PalimpsestError *) {
    fall(IN_PLAN);
    for (uint32_t image = 0; image < request->batch; image++) {
        out->roles[static_cast<size_t>(image) * request->tokens] = PALIMPSEST_MASKED;
    }
    return PALIMPSEST_CODE_OK;
}

const PalimpsestCorruptionTable table = {
    {sizeof(PalimpsestCorruptionTable), nullptr}, &description, create, destroy, nullptr, plan, nullptr, nullptr,
    nullptr};

}  // namespace

extern "C" __attribute__((visibility("default"))) const PalimpsestEntry palimpsest_entry = {
    {sizeof(PalimpsestEntry), nullptr},
    PALIMPSEST_MAJOR,
    PALIMPSEST_MINOR,
    PALIMPSEST_KIND_CORRUPTION,
    1,
    PALIMPSEST_TEXT("C++ " __VERSION__),
    &table};
